// Photographs parts of pages, or drawings, in headless Chromium: the pictures of the documentation.
//   node gallery.mjs OUT NAME PAGE FIRST HEIGHT [NAME PAGE FIRST HEIGHT ...]
// Each picture begins at the first element that FIRST selects ("body" for the top) and is HEIGHT pixels high at most.
import { mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const WIDTH = 1000;
const MARGIN = 16;
const [out, ...asked] = process.argv.slice(2);
const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";
await mkdir(out, { recursive: true });
const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
for (let at = 0; at < asked.length; at += 4) {
  const [name, file, first, height] = asked.slice(at, at + 4);
  const page = await browser.newPage();
  await page.setViewport({ width: WIDTH, height: 200 });
  if (file.endsWith(".svg")) {
    const drawing = (await readFile(file, "utf8")).replace(/^[^]*?(?=<svg)/, "");
    await page.setContent(`<style>body { margin: 0 } svg { display: block; width: 100%; height: auto }</style>${drawing}`);
  } else await page.goto(pathToFileURL(resolve(file)).href);
  const top = await page.$eval(first, (element) => element.getBoundingClientRect().top + scrollY);
  const whole = await page.evaluate(() => document.documentElement.scrollHeight);
  const y = top > MARGIN && first !== "body" ? top - MARGIN : 0;
  const clip = { x: 0, y, width: WIDTH, height: Math.min(Number(height), whole - y) };
  await page.screenshot({ path: join(out, `${name}.png`), clip, captureBeyondViewport: true });
  console.log(`${name}: ${clip.width} x ${Math.round(clip.height)}`);
  await page.close();
}
await browser.close();
