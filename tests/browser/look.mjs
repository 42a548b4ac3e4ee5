// Opens report pages in headless Chromium, light and dark: no request beyond the page, no console error, no serious
// finding of axe-core. Screenshots and the printed page go to the folder of the first argument.
//   node look.mjs OUT PAGE.html [PAGE.html ...]
import { mkdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import puppeteer from "puppeteer-core";

const [out, ...pages] = process.argv.slice(2);
const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";
const SERIOUS = new Set(["serious", "critical"]);
await mkdir(out, { recursive: true });
const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
let wrong = 0;
for (const file of pages) {
  for (const scheme of ["light", "dark"]) {
    const page = await browser.newPage();
    const said = [];
    const home = pathToFileURL(resolve(file)).href;
    page.on("request", (asked) => asked.url() !== home && said.push(`request: ${asked.url().slice(0, 80)}`));
    page.on("console", (line) => line.type() === "error" && said.push(`console: ${line.text()}`));
    page.on("pageerror", (error) => said.push(`error: ${error}`));
    await page.setViewport({ width: 1000, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.goto(home);
    const name = join(out, `${basename(dirname(resolve(file)))}-${basename(file, ".html")}-${scheme}`);
    await page.screenshot({ path: `${name}.png`, fullPage: true });
    await page.evaluate(axe.source);
    const found = await page.evaluate(() => globalThis.axe.run());
    for (const { id, impact, help, nodes } of found.violations) {
      const line = `axe ${impact}: ${id}: ${help} (${nodes.length}), first ${nodes[0].html.slice(0, 120)}`;
      SERIOUS.has(impact) ? said.push(line) : console.log(`  note ${line}`);
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) said.push(`the page is ${wide} pixels wider than the window`);
    console.log(`${said.length ? "FAILED" : "ok    "} ${file} ${scheme}: ${found.passes.length} rules of axe hold`);
    said.forEach((line) => console.log(`  ${line}`));
    wrong += said.length;
    await page.close();
  }
}
await browser.close();
console.log(`${pages.length * 2} pages looked at, ${wrong} findings`);
process.exit(wrong ? 1 : 0);
