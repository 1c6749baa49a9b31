import { open, readdir, rename, rm, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { isRunning } from "./running-processes.js";

const TEMPORARY = /^\.(\d+)-\d+\.tmp$/;

let count = 0;

/**
 * Writes a file, or leaves what was there: a kill or a power cut at any moment leaves the old file or the new one, whole. The bytes go
 * to a sibling `PATH.PROCESS-COUNT.tmp`, which only its owner may read, are flushed to the disk and renamed. A failure removes the
 * sibling, and so does the next call for the same path when the process was killed.
 */
export async function writeAtomically(path: string, parts: readonly Uint8Array[]): Promise<void> {
  await removeLeftovers(path);
  const { file, temporary } = await createSibling(path);
  try {
    try {
      for (const part of parts) await file.writeFile(part);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Another thread of this process, or a dead process of the same number, may have taken a name. */
async function createSibling(path: string): Promise<{ file: FileHandle; temporary: string }> {
  for (;;) {
    count += 1;
    const temporary = `${path}.${process.pid}-${count}.tmp`;
    try {
      return { file: await open(temporary, "wx", 0o600), temporary };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** A folder that cannot be read fails when it is written to, if at all. */
async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path);
  const name = basename(path);
  const names = await readdir(folder).catch(() => []);
  const dead = names.filter((sibling) => {
    const processId = sibling.startsWith(name) && TEMPORARY.exec(sibling.slice(name.length))?.[1];
    return processId && !isRunning(Number(processId));
  });
  await Promise.allSettled(dead.map((sibling) => rm(join(folder, sibling), { force: true })));
}

/** Makes the new name last. Some platforms cannot; the file is whole either way, and only a power cut may bring the old one back. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    return;
  }
}
