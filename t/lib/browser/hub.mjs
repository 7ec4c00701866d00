// SPDX-License-Identifier: MIT
/*
 * A person at a browser in front of JupyterHub: Debian's Chromium without a screen, driven by playwright-core.
 * Started by t/lib/browser.bash as an unprivileged user on the cluster's login host.
 *
 *     node hub.mjs PLAYWRIGHT_DIR PROFILE_DIR HUB_URL < STEPS
 *
 * STEPS is JSON, a list of [name, arguments...]; see `steps` below.  Prints a line of JSON with what each step has
 * found; exit status 1, and the words of what went wrong with the page's own, where one cannot be done.
 */
import { createRequire } from "node:module";
import fs from "node:fs";
import process from "node:process";

const [playwright, profile, hub] = process.argv.slice(2);
const { chromium } = createRequire(playwright + "/package.json")("playwright-core");

// Milliseconds for anything that is waited for: a server comes up on a machine that is busy.
const DEADLINE = 180000;

const found = {};

// The page of a spawn tells what it waits for; what it shows is collected until the server is there.
async function watch(page, wanted) {
	const end = Date.now() + DEADLINE;
	const shown = new Set();
	while (!wanted.test(new URL(page.url()).pathname)) {
		if (Date.now() > end)
			throw new Error("no server; the page has shown: " + [...shown].join(" | "));
		for (const text of await page.locator("#progress-message, #progress-log > *")
			.allTextContents().catch(() => []))
			shown.add(text.replace(/\s*Cancel$/, "").trim());
		if (await page.locator("#progress-message", { hasText: "Spawn failed" }).count()
			.catch(() => 0))
			throw new Error("the spawn has failed: " + [...shown].join(" | "));
		await page.waitForURL((url) => wanted.test(url.pathname), { timeout: 100 }).catch(() => {});
	}
	return [...shown].filter(Boolean);
}

const steps = {
	// To the page that the hub shows then, as a user with any password.
	async login(page, user) {
		await page.goto(hub + "/hub/login?next=%2Fhub%2Fhome");
		await page.locator("#username_input").fill(user);
		await page.locator("#password_input").fill("any");
		await page.locator("#login_submit").click();
		await page.waitForURL("**/hub/home");
	},

	// Fills the form ({field: value}, workers: list) and watches until JupyterLab is there.
	async form(page, fields) {
		await page.goto(hub + "/hub/spawn");
		for (const [name, value] of Object.entries(fields)) {
			const field = page.locator(`[name="${name}"]`);
			if (Array.isArray(value))
				for (const one of value)
					await page.locator(`[name="${name}"][value="${one}"]`).check();
			else if ((await field.evaluate((element) => element.tagName)) === "SELECT")
				await field.selectOption(value);
			else
				await field.fill(value);
		}
		await page.locator("#spawn_form [type=submit]").click();
		found.progress = await watch(page, /^\/user\/[^/]+\/lab/);
	},

	// The same of a hub without a form.
	async start(page) {
		await page.goto(hub + "/hub/spawn");
		found.progress = await watch(page, /^\/user\/[^/]+\/lab/);
	},

	// Opens a server from the list on the home page.
	async open(page, name) {
		await page.goto(hub + "/hub/home");
		await page.locator(`tr[data-server-name="${name}"] a.server-link`).click();
		await page.waitForURL(new RegExp(`/user/[^/]+/${name}/(lab|tree)`), { timeout: DEADLINE });
	},

	// A new notebook with one cell; found.output is what it prints.
	async run(page, code) {
		await page.locator('.jp-LauncherCard[data-category="Notebook"]').first()
			.click({ timeout: DEADLINE });
		const cell = page.locator(".jp-Notebook .jp-CodeCell .cm-content").first();
		// A cell that is run before its kernel is there is not run.
		await page.getByText(/\| Idle$/).first().waitFor({ timeout: DEADLINE });
		await cell.click();
		await page.keyboard.insertText(code);
		await page.keyboard.press("Shift+Enter");
		const output = page.locator(".jp-Notebook .jp-OutputArea-output").first();
		await output.waitFor({ timeout: DEADLINE });
		await page.waitForFunction(() => {
			const prompt = document.querySelector(".jp-Notebook .jp-CodeCell .jp-InputPrompt");
			return prompt && /\[\d+\]/.test(prompt.textContent);
		}, null, { timeout: DEADLINE });
		found.output = (await output.innerText()).trim();
	},

	// A new notebook, into which is typed, but nothing saved; then the file mark is made.
	async type(page, text, mark) {
		await page.locator('.jp-LauncherCard[data-category="Notebook"]').first()
			.click({ timeout: DEADLINE });
		const cell = page.locator(".jp-Notebook .jp-CodeCell .cm-content").first();
		await cell.click({ timeout: DEADLINE });
		await page.keyboard.insertText(text);
		await cell.getByText(text).first().waitFor({ timeout: DEADLINE });
		fs.writeFileSync(mark, "");
	},

	// What the page says when the session ends: found.said.
	async hear(page) {
		const toast = page.locator(".Toastify__toast", { hasText: /ends now: .*saved/ }).last();
		await toast.waitFor({ timeout: DEADLINE });
		found.said = (await toast.innerText()).trim();
	},

	// Stops the unnamed server, by the button on the home page.
	async stop(page) {
		await page.goto(hub + "/hub/home");
		await page.locator("#stop").click();
		await page.locator("#stop").waitFor({ state: "hidden", timeout: DEADLINE });
	},

	// Stops a named one, by the button in its row.
	async stop_named(page, name) {
		await page.goto(hub + "/hub/home");
		const row = page.locator(`tr[data-server-name="${name}"]`);
		await row.locator(".stop-server").click();
		await row.locator(".stop-server").waitFor({ state: "hidden", timeout: DEADLINE });
	},

	// What a path answers to who is logged in: found.status and found.text.
	async visit(page, path) {
		const answer = await page.goto(hub + path);
		found.status = answer.status();
		found.text = (await page.locator("body").innerText()).trim().slice(0, 2000);
	},
};

const context = await chromium.launchPersistentContext(profile, {
	executablePath: "/usr/bin/chromium",
	chromiumSandbox: process.env.BROWSER_SANDBOX === "1",
	args: ["--no-proxy-server"],
	viewport: { width: 1400, height: 900 },
});
const page = context.pages()[0] ?? (await context.newPage());
page.setDefaultTimeout(60000);
// Leaving a notebook asks whether one means it.
page.on("dialog", (dialog) => dialog.accept().catch(() => {}));
try {
	for (const [name, ...words] of JSON.parse(fs.readFileSync(0, "utf8"))) {
		try {
			await steps[name](page, ...words);
		} catch (error) {
			const text = await page.locator("body").innerText().catch(() => "");
			throw new Error(`${name}: ${error.message}\n${page.url()}:\n${text.slice(0, 3000)}`);
		}
	}
	console.log(JSON.stringify(found));
} catch (error) {
	console.error(error.message);
	process.exitCode = 1;
} finally {
	await context.close();
}
