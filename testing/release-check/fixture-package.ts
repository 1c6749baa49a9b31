import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import type { Manifest, PackedPackage } from "./packages.js";

/** Files of a package by their paths; what is `undefined` is left out. */
export type FixtureFiles = Readonly<Record<string, string | undefined>>;

/** What a test changes of a sound package. */
export interface FixtureChanges {
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly files?: FixtureFiles;
}

const manifest = {
  name: "@kvpolicy/sound",
  version: "1.2.3",
  type: "module",
  license: "MIT",
  engines: { node: ">=20.19" },
  repository: { type: "git", url: "git+https://github.com/kvpolicy/kvpolicy.git" },
  exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } },
  files: ["dist", "src"],
  dependencies: { "@kvpolicy/core": "^1.2.3" },
};

const files: FixtureFiles = {
  "README.md": "# @kvpolicy/sound\n",
  LICENSE: "MIT\n",
  "src/index.ts": "export const one = 1;\n",
  "dist/index.js": `import "node:fs";\nimport "@kvpolicy/core/testing";\nexport const one = 1;\n`,
  "dist/index.js.map": JSON.stringify({ version: 3, sources: ["../src/index.ts"], mappings: "" }),
  "dist/index.d.ts": "export declare const one: number;\n",
};

/** A sound package but for the changes, as if it had been packed and unpacked into a folder. */
export async function writeFixture(folder: string, changes: FixtureChanges = {}): Promise<PackedPackage> {
  const changed: Manifest = { ...manifest, ...changes.manifest };
  const all: FixtureFiles = { "package.json": JSON.stringify(changed), ...files, ...changes.files };
  const contents = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  for (const [path, text] of contents) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return {
    manifest: changed,
    tarball: `${folder}.tgz`,
    folder,
    files: contents.map(([path]) => path),
    size: 0,
    unpackedSize: 0,
  };
}
