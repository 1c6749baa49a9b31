import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { useTemporaryFile } from "./temporary-file.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-temporary-"));
  vi.stubEnv("TMPDIR", folder);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

test("lends a file that nobody else can read, and removes it, also after a failure", async () => {
  const dead = spawnSync(process.execPath, ["--version"]).pid;
  const others = [`kvpolicy-cells-${process.ppid}-abc`, "kvpolicy-cells-and-more", `other-${dead}-abc`];
  for (const name of [...others, `kvpolicy-cells-${dead}-abc`]) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, "cells"), "secret");
  }
  let path = "";
  const read = await useTemporaryFile(async (lent) => {
    path = lent;
    expect((await stat(lent)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(lent))).mode & 0o777).toBe(0o700);
    await writeFile(lent, "cells");
    return readFile(lent, "utf8");
  });
  expect(read).toBe("cells");
  expect(dirname(dirname(path))).toBe(folder);
  await expect(useTemporaryFile(() => Promise.reject(new Error("full")))).rejects.toThrow("full");
  expect((await readdir(folder)).sort()).toEqual(others.sort());
});
