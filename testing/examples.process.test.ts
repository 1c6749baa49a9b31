import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { tinyModels } from "@kvpolicy/tiny-models";
import { chromium as playwright, type Browser } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { chromium } from "./chromium.js";

/*
 * The examples as they lie there, each in a process of its own, on the built packages and the model in the box. `KVPOLICY_MODEL` names
 * another one for those that are worth its time.
 */

const PRELOADED = [
  pathToFileURL(createRequire(import.meta.url).resolve("tsx")),
  new URL("one-thread.mjs", import.meta.url),
];
const larger = process.env["KVPOLICY_MODEL"] ?? "";

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

interface Started {
  readonly child: ChildProcess & { readonly stdin: NodeJS.WritableStream };
  /** What it has written up to now. */
  readonly output: () => string;
  readonly ended: Promise<Ended>;
}

let folder: string;
const running = new Set<ChildProcess>();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-examples-"));
});
afterAll(async () => {
  for (const child of running) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

/** Starts `src/main.ts` of an example; `whenWritten` is called each time that it has written something. */
function start(
  example: string,
  words: readonly string[] = [],
  { cwd = folder, whenWritten }: { cwd?: string; whenWritten?: (started: Started) => void } = {},
): Started {
  const main = resolve("examples", example, "src/main.ts");
  const child = spawn(
    process.execPath,
    [...PRELOADED.flatMap((url) => ["--import", url.href]), main, ...words],
    {
      cwd,
      env: { ...process.env, NODE_LLAMA_CPP_GPU: "false", NODE_LLAMA_CPP_SKIP_DOWNLOAD: "true" },
      stdio: ["pipe", "pipe", "pipe"],
    },
  );
  running.add(child);
  let output = "";
  let errors = "";
  const ended = once(child, "close").then(([code]) => {
    running.delete(child);
    if (code !== null && code !== 0) throw new Error(`${example} ended with ${code as number}:\n${errors}`);
    return { code: code as number | null, output };
  });
  const started = { child, output: () => output, ended };
  child.stdout.on("data", (data: Buffer) => {
    output += data.toString();
    whenWritten?.(started);
  });
  child.stderr.on("data", (data: Buffer) => {
    errors += data.toString();
  });
  // Who was killed, or has ended, reads no more.
  child.stdin.on("error", () => undefined);
  return started;
}

async function run(example: string, words: readonly string[] = [], input = ""): Promise<string> {
  const { child, ended } = start(example, words);
  child.stdin.end(input);
  const { code, output } = await ended;
  expect(code).toBe(0);
  return output;
}

/** Until a pipe takes more, or nobody reads it. */
function drained(pipe: NodeJS.WritableStream): Promise<unknown> {
  return once(pipe, "drain").catch(() => undefined);
}

/** The numbers in each match, in the order of the pattern's groups. */
function numbersIn(output: string, pattern: RegExp): number[][] {
  return [...output.matchAll(pattern)].map(([, ...groups]) => groups.map(Number));
}

describe.concurrent("examples/quick-start", () => {
  const FIGURES =
    /\n\n(\d+) tokens in the stream, (\d+) of (\d+) cells in use\n(\d+) tokens evicted in (\d+) evictions\n$/g;

  function expectEndless(output: string): void {
    const [[position, cells, budget, evicted, evictions] = []] = numbersIn(output, FIGURES);
    expect(position).toBeGreaterThan(4 * budget!);
    expect(cells).toBeLessThanOrEqual(budget!);
    expect(evictions).toBeGreaterThan(10);
    // The token that was generated last waits for the next one.
    expect(cells! + evicted! + 1).toBe(position);
    expect(output.replace(FIGURES, "").trim().length).toBeGreaterThan(100);
  }

  test("reads and writes far beyond its budget", async () => {
    expectEndless(await run("quick-start"));
  });

  test("takes a model and a text", async () => {
    const text = join(folder, "short.txt");
    await writeFile(text, "We have paid what we owed.");
    const output = await run("quick-start", [fileURLToPath(tinyModels.natural.url), text]);
    const [[position, , , evicted] = []] = numbersIn(output, FIGURES);
    expect(position).toBeGreaterThan(200);
    expect(position).toBeLessThan(230);
    expect(evicted).toBe(0);
  });

  test.skipIf(larger === "")(
    "does so on the model that KVPOLICY_MODEL names",
    { timeout: 600_000 },
    async () => {
      expectEndless(await run("quick-start", [resolve(larger)]));
    },
  );
});

test.concurrent("examples/drop-in-context-shift evicts what a stream would, and counts it", async () => {
  const output = await run("drop-in-context-shift");
  const [[tokens, cells, size, evicted] = []] = numbersIn(
    output,
    /^(\d+) tokens, (\d+) of (\d+) cells in use, (\d+) evicted$/gm,
  );
  expect(tokens).toBeGreaterThanOrEqual(1000);
  expect(cells).toBeLessThan(size!);
  // The last token was not evaluated.
  expect(cells! + evicted! + 1).toBe(tokens);
  const [, places = ""] = /^cells were evicted at tokens (.*)$/m.exec(output) ?? [];
  const expected = Array.from({ length: evicted! / 16 }, (_, index) => size! + 1 + 16 * index);
  expect(places.split(", ").map(Number)).toEqual(expected);
});

describe.concurrent("examples/chat-forever", () => {
  const TURN = /^\[(\d+) of (\d+) cells in use, (\d+) tokens so far; left: (.+)\]$/gm;

  async function converse(messages: readonly string[], words: readonly string[] = []): Promise<void> {
    const output = await run("chat-forever", words, messages.map((message) => `${message}\n`).join(""));
    const turns = [...output.matchAll(TURN)];
    expect(turns).toHaveLength(messages.length);
    const budget = Number(turns[0]![2]);
    for (const [, cells] of turns) expect(Number(cells)).toBeLessThanOrEqual(budget);
    expect(Number(turns.at(-1)![3])).toBeGreaterThan(1.5 * budget);
    const left = turns.map(([, , , , exchanges]) => exchanges!);
    expect(left[0]).toBe("nothing");
    const gone = left.filter((exchanges) => exchanges !== "nothing").flatMap((list) => list.split(", "));
    expect(gone.length).toBeGreaterThan(0);
    expect(gone).toEqual(gone.map((_, index) => `exchange ${index + 1}`));
  }

  test("answers beyond its budget, and whole exchanges leave in their order", async () => {
    await converse(Array.from({ length: 5 }, (_, index) => `Tell me of ship ${index}, if you please.`));
  });

  test.skipIf(larger === "")(
    "does so on the model that KVPOLICY_MODEL names",
    { timeout: 600_000 },
    async () => {
      const story = "The ship left the harbour in the morning, and in the evening it came back. ".repeat(16);
      await converse(
        Array.from({ length: 5 }, (_, index) => `${story}How many ships are there, ${index}?`),
        [resolve(larger)],
      );
    },
  );
});

describe.concurrent("examples/log-watcher", () => {
  const COMMENT = /^line (\d+), (\d+) of (\d+) cells in use: /gm;
  const END = /^(\d+) lines, (\d+) tokens, (\d+) of (\d+) cells in use$/gm;

  test("stays within its budget over thousands of lines, and comments on errors and now and then", async () => {
    const errors = [123, 1750];
    const lines = Array.from({ length: 2000 }, (_, index) =>
      errors.includes(index + 1) ? "ERROR no disk\n" : `GET /${index % 10}\n`,
    );
    const output = await run("log-watcher", [], lines.join(""));
    const comments = numbersIn(output, COMMENT);
    expect(comments.map(([line]) => line)).toEqual([123, 500, 1000, 1500, 1750, 2000]);
    const [[count, position, cells, budget] = []] = numbersIn(output, END);
    for (const [, used] of [...comments, [0, cells!]]) expect(used).toBeLessThanOrEqual(budget!);
    expect(count).toBe(2000);
    expect(position).toBeGreaterThan(20 * budget!);
  });

  test("lets the pipe wait while the model reads, and ends at SIGINT", async () => {
    let written = 0;
    let writtenAtComment = Infinity;
    const { child, ended } = start("log-watcher", [], {
      whenWritten: ({ child: watcher, output }) => {
        if (writtenAtComment !== Infinity || !output().includes("line 500,")) return;
        writtenAtComment = written;
        watcher.kill("SIGINT");
      },
    });
    const isOver = ended.then(() => undefined);
    while (running.has(child)) {
      written += 1;
      if (!child.stdin.write("GET /\n")) await Promise.race([drained(child.stdin), isOver]);
    }
    const { code, output } = await ended;
    expect(code).toBe(0);
    // What fits into the buffers between the two processes, not what a minute of writing would amount to.
    expect(writtenAtComment).toBeLessThan(60_000);
    const [[count] = []] = numbersIn(output, END);
    expect(count).toBeLessThan(600);
  });
});

describe.concurrent("examples/snapshot-and-resume", () => {
  const SAVED = /^paragraph (\d+) of \d+ is saved, at stream position (\d+)$/gm;

  test("goes on where it was killed, and ends as if it had not been", async () => {
    const whole = start("snapshot-and-resume", [], { cwd: await mkdtemp(join(folder, "whole-")) });
    const cwd = await mkdtemp(join(folder, "killed-"));
    const killed = await start("snapshot-and-resume", [], {
      cwd,
      whenWritten: ({ child, output }) => output().includes("paragraph 7 ") && child.kill("SIGKILL"),
    }).ended;
    expect(killed.code).toBeNull();
    const resumed = (await start("snapshot-and-resume", [], { cwd }).ended).output;
    const undisturbed = (await whole.ended).output;

    const places = new Map(numbersIn(undisturbed, SAVED).map(([paragraph, at]) => [paragraph, at]));
    const [[paragraph, position] = []] = numbersIn(
      resumed,
      /^goes on behind paragraph (\d+), at stream position (\d+)$/gm,
    );
    expect(paragraph).toBeGreaterThanOrEqual(7);
    expect(paragraph).toBeLessThan(places.size);
    expect(position).toBe(places.get(paragraph));
    expect(numbersIn(resumed, SAVED)[0]).toEqual([paragraph! + 1, places.get(paragraph! + 1)]);
    const end = undisturbed.slice(undisturbed.indexOf("read to the end"));
    expect(end).toMatch(/^read to the end: \d{4,} tokens, 2\d\d of 256 cells in use\n\S/);
    expect(resumed.slice(resumed.indexOf("read to the end"))).toBe(end);
  });
});

describe.skipIf(chromium === undefined).concurrent("examples/browser", () => {
  const TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };
  let server: Server;
  let browser: Browser;

  beforeAll(async () => {
    const dist = join(folder, "dist");
    await promisify(execFile)("npm", ["run", "build", "--", "--outDir", dist], {
      cwd: resolve("examples/browser"),
      // Vitest says "test", and Vite would build for that.
      env: { ...process.env, NODE_ENV: undefined },
    });
    server = createServer((request, response) => {
      const path = join(
        dist,
        new URL(request.url ?? "/", "http://localhost").pathname.slice("/folder/".length),
      );
      const file = path.endsWith("dist/") || path === dist ? join(dist, "index.html") : path;
      response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
      createReadStream(file)
        .on("error", () => response.writeHead(404).end())
        .pipe(response);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    browser = await playwright.launch({
      ...(chromium !== undefined && { executablePath: chromium }),
      args: ["--no-sandbox", "--disable-gpu"],
    });
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    server.close();
  });

  test("reads beyond its budget and goes on writing, without a network once it is loaded", async () => {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/folder/`);
    const state = page.getByRole("status");
    await state.getByText("ready").waitFor();
    await page.context().setOffline(true);

    await page.getByLabel("Text to read").fill("We have paid what we owed to the nation. ".repeat(60));
    await page.getByRole("button", { name: "Read" }).click();
    await state.getByText("done").waitFor();
    const figure = (name: string): Promise<string> => page.locator(`dt:text-is("${name}") + dd`).innerText();
    const [cells, budget] = (await figure("Cells in use")).split(" of ").map(Number);
    const position = Number(await figure("Tokens in the stream"));
    expect(position).toBeGreaterThan(3 * budget!);
    expect(cells).toBeLessThanOrEqual(budget!);
    expect(Number(await figure("Tokens a second"))).toBeGreaterThan(1);
    const [sinks, window] = (await figure("Tokens kept")).split(", ");
    expect(sinks).toBe("0 to 3");
    // The token that was generated last waits for the next one.
    expect(window).toBe(`${position - 1 - (cells! - 4)} to ${position - 2}`);
    expect((await page.locator("#continuation").innerText()).length).toBeGreaterThan(30);
    expect(complaints).toEqual([]);
  });
});
