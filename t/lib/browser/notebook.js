/* SPDX-License-Identifier: MIT */
/*
 * A person at a JupyterLab, in Debian's chromium: starts a kernel from the launcher, reads why its job waits, runs,
 * interrupts, restarts, shuts down.  Started by the bats suite on the login host, as the user.
 *
 *     node notebook.js URL_FILE CARD WAITS MARK
 *
 * URL_FILE holds the server's URL with its token; CARD is the kernel's name in the launcher; WAITS are words that are
 * shown while it waits, upon which MARK is written, so that the test lets the job begin.  NODE_PATH has playwright-core,
 * BROWSER_HOME is where the browser may write.  One line on stdout for what was done; exit status 1 with a picture in
 * BROWSER_HOME/failed.png.
 */
'use strict';
const fs = require('fs');
const { chromium } = require('playwright-core');

const [, , urlFile, card, waits, mark] = process.argv;
const home = process.env.BROWSER_HOME;
const LONG = 240000; /* ms, for what must happen */

const done = words => process.stdout.write(`${words}\n`);

/* Code into the last cell, which is run; resolves when its output has these words. */
const execute = async (page, code, words) => {
  const cell = page.locator('.jp-Notebook .jp-CodeCell').last();
  const count = await page.locator('.jp-Notebook .jp-CodeCell').count();
  await cell.locator('.cm-content').click();
  await page.keyboard.insertText(code);
  await page.keyboard.press('Shift+Enter');
  const ran = page.locator('.jp-Notebook .jp-CodeCell').nth(count - 1);
  await ran.locator('.jp-OutputArea-output', { hasText: words }).first().waitFor({ timeout: LONG });
};

const command = (page, id) =>
  page.evaluate(name => window.jupyterapp.commands.execute(name), id);

const session = async page => {
  const browserUrl = fs.readFileSync(urlFile, 'utf8').trim();
  await page.goto(browserUrl, { timeout: LONG });
  await page.locator('.jp-LauncherCard', { hasText: card }).first().click({ timeout: LONG });
  done('chosen in the launcher');
  await page.locator('.Toastify__toast', { hasText: waits }).first().waitFor({ timeout: LONG });
  done('told why it waits');
  fs.writeFileSync(mark, '');
  await page.locator('.Toastify__toast', { hasText: waits }).first().waitFor({ state: 'detached', timeout: LONG });
  await execute(page, 'x = 6 * 7; print("the answer is", x)', 'the answer is 42');
  done('executed');
  await execute(page, 'print("be" + "gun", flush=True); import time; time.sleep(600)', 'begun');
  await command(page, 'notebook:interrupt-kernel');
  await page.locator('.jp-OutputArea-output', { hasText: 'KeyboardInterrupt' }).first().waitFor({ timeout: LONG });
  done('interrupted');
  await execute(page, 'print("it is still", x)', 'it is still 42');
  void command(page, 'notebook:restart-kernel');
  await page.locator('.jp-Dialog button.jp-mod-accept').first().click({ timeout: LONG });
  await page.locator('.jp-Dialog').waitFor({ state: 'detached', timeout: LONG });
  await execute(page, 'print("x" in globals(), "x is there")', 'False x is there');
  done('restarted');
  await page.evaluate(async () => {
    const sessions = window.jupyterapp.serviceManager.sessions;
    await sessions.shutdownAll();
  });
  done('shut down');
};

const main = async () => {
  const context = await chromium.launchPersistentContext(home, {
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    viewport: { width: 1280, height: 900 }
  });
  const page = context.pages()[0] || (await context.newPage());
  page.on('pageerror', error => process.stderr.write(`page: ${error}\n`));
  page.on('console', message => message.type() === 'error' && process.stderr.write(`console: ${message.text()}\n`));
  try {
    await session(page);
  } catch (error) {
    await page.screenshot({ path: `${home}/failed.png` });
    throw error;
  } finally {
    await context.close();
  }
};

main().catch(error => {
  process.stderr.write(`notebook.js: ${error}\n`);
  process.exitCode = 1;
});
