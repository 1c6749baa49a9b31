import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { isRunning } from "./running-processes.js";

const PREFIX = "kvpolicy-cells-";
const FOLDER = new RegExp(`^${PREFIX}(\\d+)-`);

let leftovers: Promise<unknown> | undefined;

/**
 * Lends a task the path of an empty file that nobody else can read, in a folder of its own, and removes both whatever happens. What
 * processes left behind that were killed meanwhile is removed the first time.
 */
export async function useTemporaryFile<Result>(task: (path: string) => Promise<Result>): Promise<Result> {
  await (leftovers ??= removeLeftovers());
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  try {
    const path = join(folder, "cells");
    await writeFile(path, "", { mode: 0o600, flag: "wx" });
    return await task(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Another user's folders cannot be removed, and are not ours to remove. */
async function removeLeftovers(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  const dead = names.filter((name) => {
    const processId = FOLDER.exec(name)?.[1];
    return processId !== undefined && !isRunning(Number(processId));
  });
  await Promise.allSettled(dead.map((name) => rm(join(tmpdir(), name), { recursive: true, force: true })));
}
