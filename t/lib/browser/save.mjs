// SPDX-License-Identifier: MIT
/*
 * A person who types into documents of a JupyterLab or Notebook, does not save them, and reads what the page says when
 * the session ends: Debian's Chromium without a screen, driven by playwright-core.  Started by t/33-save.bats as an
 * unprivileged user on the cluster's login host.
 *
 *     node save.mjs PLAYWRIGHT_DIR PROFILE_DIR TYPED < ORDER
 *
 * ORDER is JSON: {url: the server's with "?token=", documents: [{place: "lab/tree/a.ipynb", text}]}.  Each is opened in
 * a page of its own; TYPED is a file that is made when all have been typed into.  Prints for each page, in their order,
 * a line with what it has said at last; exit status 1 where something cannot be done.  With "silent": true nothing is
 * waited for but that somebody removes TYPED.
 */
import { createRequire } from "node:module";
import fs from "node:fs";
import process from "node:process";

const [playwright, profile, typed] = process.argv.slice(2);
const { chromium } = createRequire(playwright + "/package.json")("playwright-core");

// Milliseconds, for anything that is waited for.
const DEADLINE = 240000;

const order = JSON.parse(fs.readFileSync(0, "utf8"));
const url = new URL(order.url);
const root = url.pathname.replace(/(lab|tree)\/?$/, "");

async function type(context, { place, text }) {
	const page = await context.newPage();
	page.on("dialog", (dialog) => dialog.accept().catch(() => {}));
	page.on("pageerror", (error) => console.error(`${place}: ${error}`));
	await page.goto(url.origin + root + place + url.search, { timeout: DEADLINE });
	const editor = page.locator(".jp-Notebook .jp-CodeCell .cm-content, .jp-FileEditor .cm-content").first();
	await editor.click({ timeout: DEADLINE });
	await page.keyboard.press("Control+Home");
	await page.keyboard.insertText(text);
	await editor.getByText(text).first().waitFor({ timeout: DEADLINE });
	return page;
}

// What the last notification of ours says; it stays.
async function listen(page) {
	const toast = page.locator(".Toastify__toast", { hasText: /ends (now|at .*): .*(saved|unsaved)/ }).last();
	await toast.waitFor({ timeout: DEADLINE });
	return (await toast.innerText()).trim().replaceAll("\n", " ");
}

// Until somebody removes it.
async function stay(file) {
	const end = Date.now() + DEADLINE;
	while (fs.existsSync(file)) {
		if (Date.now() > end) throw new Error(`${file} is still there`);
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
}

const context = await chromium.launchPersistentContext(profile, {
	executablePath: "/usr/bin/chromium",
	chromiumSandbox: process.env.BROWSER_SANDBOX === "1",
	args: ["--no-proxy-server"],
	viewport: { width: 1400, height: 900 },
});
try {
	const pages = [];
	for (const document of order.documents) pages.push(await type(context, document));
	fs.writeFileSync(typed, "");
	if (order.silent) await stay(typed);
	else for (const page of pages) console.log(await listen(page));
} catch (error) {
	for (const page of context.pages()) {
		const text = await page.locator("body").innerText().catch(() => "");
		console.error(`${page.url().replace(/token=.*/, "")}:\n${text.slice(0, 2000)}`);
	}
	console.error(error.message);
	process.exitCode = 1;
} finally {
	await context.close();
}
