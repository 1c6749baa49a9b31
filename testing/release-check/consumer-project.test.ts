import { describe, expect, test } from "vitest";

import { importEveryEntry, ownTypeErrors } from "./consumer-project.js";
import type { Manifest, PackedPackage } from "./packages.js";

const OTHERS = "node_modules/node-llama-cpp/dist/index.d.ts(1,2): error TS7016: Could not find …";
const OURS = "node_modules/@kvpolicy/core/dist/index.d.ts(1,2): error TS2304: Cannot find name 'process'.";
const CONSUMER = "consumer.ts(1,2): error TS2307: Cannot find module '@kvpolicy/core'.";

describe("type errors of a consumer", () => {
  test("count in the consumer and in our declarations, and not in those of others", () => {
    expect(ownTypeErrors([OTHERS, OURS, "  a line that goes on", CONSUMER].join("\n"))).toEqual([
      OURS,
      CONSUMER,
    ]);
    expect(ownTypeErrors(OTHERS)).toEqual([]);
  });

  test("count when the compiler says something else", () => {
    expect(ownTypeErrors("tsc: not found")).toEqual(["tsc: not found"]);
    expect(ownTypeErrors("error TS5023: Unknown compiler option 'x'.")).toHaveLength(1);
  });
});

describe("the module that imports every entry", () => {
  test("takes those with code or types of each package", () => {
    const packed = (manifest: Partial<Manifest>): PackedPackage => ({
      manifest: { name: "@kvpolicy/some", version: "1.0.0", ...manifest },
      tarball: "",
      folder: "",
      files: [],
      size: 0,
      unpackedSize: 0,
    });
    const entry = { types: "./dist/index.d.ts", default: "./dist/index.js" };
    const module = importEveryEntry([
      packed({ exports: { ".": entry, "./testing": entry, "./package.json": "./package.json" } }),
      packed({ name: "kvpolicy" }),
    ]);
    expect(module.match(/from "[^"]+"/g)).toEqual([`from "@kvpolicy/some"`, `from "@kvpolicy/some/testing"`]);
  });
});
