import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { env } from "node:process";
import { setTimeout as wait } from "node:timers/promises";

const DRIVER = "/usr/bin/WebKitWebDriver";
const DISPLAY_SERVER = "/usr/bin/Xvfb";

/** A page in WebKitGTK, driven through WebDriver: Playwright's own WebKit would be a download. */
export interface WebKit extends AsyncDisposable {
  /** Goes to an address and waits until it is loaded. */
  open(url: string): Promise<void>;
  /** The value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  /** Waits until an expression in the page is true: 30 seconds at most, unless told otherwise. */
  waitFor(expression: string, milliseconds?: number): Promise<void>;
}

const browser = findBrowser();

/** Why there is no WebKit here, for `describe.skipIf`; `undefined` when there is. */
export const noWebKit: string | undefined =
  browser !== undefined && existsSync(DRIVER) && existsSync(DISPLAY_SERVER)
    ? undefined
    : "webkit2gtk-driver or xvfb is not installed";

function findBrowser(): string | undefined {
  if (!existsSync("/usr/lib")) return undefined;
  return readdirSync("/usr/lib")
    .map((directory) => `/usr/lib/${directory}/webkit2gtk-4.1/MiniBrowser`)
    .find((path) => existsSync(path));
}

/** Starts a display without a screen, the driver and the browser. */
export async function openWebKit(): Promise<WebKit> {
  const children: ChildProcess[] = [];
  try {
    const display = await startDisplay(children);
    const port = await freePort();
    const driver = spawn(DRIVER, [`--port=${port}`], {
      stdio: "ignore",
      env: { ...env, DISPLAY: display, WEBKIT_DISABLE_DMABUF_RENDERER: "1", LIBGL_ALWAYS_SOFTWARE: "1" },
    });
    children.push(driver);
    const session = await startSession(`http://127.0.0.1:${port}`);
    const evaluate = async (expression: string): Promise<unknown> =>
      session.ask("POST", "/execute/sync", { script: `return (${expression});`, args: [] });
    return {
      open: async (url) => {
        await session.ask("POST", "/url", { url });
      },
      evaluate,
      waitFor: async (expression, milliseconds = 30_000) => {
        const end = Date.now() + milliseconds;
        while ((await evaluate(expression)) !== true) {
          if (Date.now() > end) throw new Error(`never true within ${milliseconds} ms: ${expression}`);
          await wait(100);
        }
      },
      [Symbol.asyncDispose]: async () => {
        try {
          await session.ask("DELETE", "");
        } finally {
          await stopAll(children);
        }
      },
    };
  } catch (error) {
    await stopAll(children);
    throw error;
  }
}

/** Starts Xvfb on a display that is free, and answers its name. */
async function startDisplay(children: ChildProcess[]): Promise<string> {
  const server = spawn(DISPLAY_SERVER, ["-displayfd", "1", "-screen", "0", "1280x1024x24"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  children.push(server);
  const ended = once(server, "exit").then(() => {
    throw new Error("Xvfb ended before it had a display.");
  });
  const [number] = (await Promise.race([once(server.stdout, "data"), ended])) as [Buffer];
  ended.catch(() => undefined);
  return `:${number.toString().trim()}`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

interface Session {
  ask(method: string, path: string, body?: unknown): Promise<unknown>;
}

async function startSession(driver: string): Promise<Session> {
  const capabilities = {
    alwaysMatch: { "webkitgtk:browserOptions": { binary: browser, args: ["--automation"] } },
  };
  for (let attempt = 0; ; attempt++) {
    try {
      const { sessionId } = (await request(driver, "POST", "/session", { capabilities })) as {
        sessionId: string;
      };
      return { ask: (method, path, body) => request(driver, method, `/session/${sessionId}${path}`, body) };
    } catch (error) {
      // The driver takes a moment until it listens.
      if (attempt >= 50 || !(error instanceof TypeError)) throw error;
      await wait(100);
    }
  }
}

async function request(driver: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(driver + path, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const { value } = (await response.json()) as { value: unknown };
  if (!response.ok) throw new Error(`WebKit: ${method} ${path}: ${JSON.stringify(value).slice(0, 400)}`);
  return value;
}

async function stopAll(children: readonly ChildProcess[]): Promise<void> {
  for (const child of children.toReversed()) {
    if (child.exitCode !== null) continue;
    child.kill();
    await Promise.race([once(child, "exit"), wait(2000)]);
  }
}
