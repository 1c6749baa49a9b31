import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";

import { headingsOf } from "./markdown.js";

/*
 * The rules that hold for every package of this repository. Adding a package is done when these pass.
 */

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly license?: string;
  readonly type?: string;
  readonly description?: string;
  readonly repository?: { readonly directory?: string };
  readonly engines?: { readonly node?: string };
  readonly sideEffects?: boolean;
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly files?: readonly string[];
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly publishConfig?: { readonly access?: string; readonly provenance?: boolean };
  readonly workspaces?: readonly string[];
}

const POLICY_HEADINGS = [
  "What stays and what goes",
  "Install",
  "Use",
  "Options",
  "Reference",
  "Limits",
] as const;

/** What may stand behind the limits in a README, which else come last. */
const LAST_HEADINGS = ["Licence"];

/** What every README says among its limits. */
const HONEST_LIMIT = /\bdoes not extend what the model can remember: /;

/** Which packages of this repository a package may import, by folder. Those that are not listed may import any. */
const ALLOWED_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  "packages/core": [],
  "packages/conformance": ["@kvpolicy/core"],
  "packages/llamacpp-adapter": ["@kvpolicy/core"],
  "packages/reference-backend": ["@kvpolicy/core"],
  "packages/tiny-models": [],
};

const NODE_GLOBALS = new Set([
  "process",
  "Buffer",
  "global",
  "require",
  "__dirname",
  "__filename",
  "setImmediate",
]);

const directories = [
  ...foldersIn("packages").filter((path) => path !== "packages/policies"),
  ...foldersIn("packages/policies"),
];
const policies = directories.filter((directory) => directory.startsWith("packages/policies/"));
/** The hand-made pages of the site. */
const GUIDE = "apps/docs/guide";
const guides = readdirSync(GUIDE).map((name) => readFileSync(join(GUIDE, name), "utf8"));
/** What is copied to begin a policy. */
const EXAMPLE = "examples/custom-policy";
const root = readManifest(".");
const core = readManifest("packages/core");

function foldersIn(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
    .map(({ name }) => `${directory}/${name}`);
}

function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;
}

function readReadme(directory: string): string {
  return readFileSync(join(directory, "README.md"), "utf8");
}

function allowedImports(directory: string): readonly string[] | undefined {
  return policies.includes(directory) ? ["@kvpolicy/core"] : ALLOWED_IMPORTS[directory];
}

/** Source files that are published and run: no tests. */
function sourcesOf(directory: string): string[] {
  return readdirSync(join(directory, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .map((path) => join(directory, "src", path));
}

function importsOf(path: string): string[] {
  return ts
    .preProcessFile(readFileSync(path, "utf8"), true, true)
    .importedFiles.map(({ fileName }) => fileName);
}

/** `@kvpolicy/core/testing` → `@kvpolicy/core`. */
function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function isOwn(specifier: string): boolean {
  return specifier === "kvpolicy" || specifier.startsWith("@kvpolicy/");
}

/** Every use of a Node global as a value, as `path: name`. */
function nodeGlobalsIn(path: string): string[] {
  const found: string[] = [];
  const file = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ES2022, true);
  const visit = (node: ts.Node): void => {
    const isMember = ts.isPropertyAccessExpression(node.parent) && node.parent.name === node;
    if (ts.isIdentifier(node) && NODE_GLOBALS.has(node.text) && !isMember)
      found.push(`${path}: ${node.text}`);
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(file, visit);
  return found;
}

/** What stands in a page between a heading, `## Limits` say, and the next one of that level. */
function sectionOf(markdown: string, heading: string): string {
  const [, section = ""] = `\n${markdown}`.split(`\n${heading}\n`);
  return section.split(/^#{1,2} /m)[0] ?? "";
}

/** Whether a page has a link to another, or to a heading of it. */
function hasLink(markdown: string, page: string): boolean {
  return [")", "#", ".md)", ".md#"].some((end) => markdown.includes(`](${page}${end}`));
}

function camelCase(name: string): string {
  return name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

describe.each(directories)("%s", (directory) => {
  const manifest = readManifest(directory);

  test("is a workspace", () => {
    expect(
      root.workspaces?.some(
        (pattern) =>
          pattern === directory || (pattern.endsWith("/*") && directory.startsWith(pattern.slice(0, -1))),
      ),
    ).toBe(true);
  });

  test("has a complete package.json", () => {
    expect(manifest).toMatchObject({
      description: expect.stringMatching(/\S/) as string,
      license: root.license,
      type: "module",
      repository: { directory },
      engines: { node: root.engines?.node },
      sideEffects: false,
      publishConfig: { access: "public", provenance: true },
      exports: { "./package.json": "./package.json" },
    });
    expect(manifest.files).toEqual(expect.arrayContaining(["dist", "src", "!src/**/*.test.ts"]));
    expect(manifest.exports?.["."] ?? manifest.bin, "neither an entry nor a command").toBeDefined();
  });

  test("exports its source first, then its types and its build", () => {
    for (const [entry, conditions] of Object.entries(manifest.exports ?? {})) {
      if (typeof conditions === "string") continue;
      expect(Object.keys(conditions), entry).toEqual(["@kvpolicy/source", "types", "default"]);
      expect(existsSync(join(directory, conditions["@kvpolicy/source"]!)), entry).toBe(true);
    }
  });

  test("has the same scripts as core", () => {
    expect(Object.keys(manifest.scripts ?? {}).toSorted()).toEqual(
      Object.keys(core.scripts ?? {}).toSorted(),
    );
  });

  test("carries the licence, which npm packs from here alone", () => {
    expect(readFileSync(join(directory, "LICENSE"), "utf8")).toBe(readFileSync("LICENSE", "utf8"));
  });

  test("has a README under its name, which says in a sentence what it is", () => {
    const [title, blank, sentence] = readReadme(directory).split("\n");
    expect([title, blank]).toEqual([`# ${manifest.name}`, ""]);
    expect(sentence).toMatch(/^[A-Z]/);
  });

  test("says in its README how to install it, how to use it, …, and at last its limits", () => {
    const headings = headingsOf(readReadme(directory), 2).filter(
      (heading) => !LAST_HEADINGS.includes(heading),
    );
    const own = policies.includes(directory) ? headings.slice(1) : headings;
    expect([...own.slice(0, 2), own.at(-1)]).toEqual(["Install", "Use", "Limits"]);
  });

  test("says in its README that no policy gives a model a memory", () => {
    expect(sectionOf(readReadme(directory), "## Limits")).toMatch(HONEST_LIMIT);
  });

  test("is linked from a guide of the site, by its page", () => {
    // A command has no API: its page is its README.
    const page = manifest.bin
      ? `https://github.com/kvpolicy/kvpolicy/tree/main/${directory}`
      : `/api/${manifest.name}`;
    expect(
      guides.some((guide) => hasLink(guide, page)),
      `no page in ${GUIDE} has a link to ${page}`,
    ).toBe(true);
  });

  test("imports only in the permitted direction, what it declares, and nothing outside its folder", () => {
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }).filter(isOwn);
    const allowed = allowedImports(directory);
    if (allowed)
      expect(
        declared.filter((name) => !allowed.includes(name)),
        "dependencies",
      ).toEqual([]);
    for (const path of sourcesOf(directory)) {
      const specifiers = importsOf(path);
      const own = specifiers.filter(isOwn).map(packageOf);
      expect(
        own.filter((name) => name !== manifest.name && !declared.includes(name)),
        path,
      ).toEqual([]);
      const outside = specifiers
        .filter((specifier) => specifier.startsWith("."))
        .filter((specifier) =>
          relative(join(directory, "src"), join(path, "..", specifier)).startsWith(".."),
        );
      expect(outside, path).toEqual([]);
    }
  });
});

describe.each(["packages/core", ...policies, EXAMPLE])("%s", (directory) => {
  test("runs without Node and without third-party code", () => {
    const { dependencies = {}, peerDependencies = {} } = readManifest(directory);
    expect(Object.keys({ ...dependencies, ...peerDependencies }).filter((name) => !isOwn(name))).toEqual([]);
    for (const path of sourcesOf(directory)) {
      const foreign = importsOf(path).filter((specifier) => !specifier.startsWith(".") && !isOwn(specifier));
      expect(foreign, path).toEqual([]);
      expect(nodeGlobalsIn(path)).toEqual([]);
    }
  });
});

describe.each(policies)("%s", (directory) => {
  const name = directory.slice("packages/policies/".length);

  test("has the files of a policy, and exports it under its own name", () => {
    const files = [
      "tsconfig.json",
      "tsup.config.ts",
      "src/index.ts",
      `src/${name}.ts`,
      `src/${name}.test.ts`,
    ];
    expect(files.filter((file) => !existsSync(join(directory, file)))).toEqual([]);
    expect(readManifest(directory).name).toBe(`@kvpolicy/${name}`);
    const index = readFileSync(join(directory, "src/index.ts"), "utf8");
    expect(index).toMatch(new RegExp(`\\bexport \\{[^}]*\\b${camelCase(name)}\\b`));
  });

  test("has a section in the guide to policies", () => {
    const sections = readFileSync(join(GUIDE, "choosing-a-policy.md"), "utf8").split(/^#{2,3} /m);
    const own = sections.find((section) => section.startsWith(`${name}\n`));
    expect(
      own !== undefined && hasLink(own, `/api/@kvpolicy/${name}`),
      `choosing-a-policy.md has no heading "### ${name}" with a link to its API`,
    ).toBe(true);
  });
});

describe.each([...policies, EXAMPLE])("%s", (directory) => {
  test("has the headings of a policy's README", () => {
    expect(headingsOf(readReadme(directory), 2)).toEqual(POLICY_HEADINGS);
  });
});

describe.each(foldersIn("examples"))("%s", (directory) => {
  const manifest = readManifest(directory);
  const name = manifest.name.replace(/^kvpolicy-example-/, "");

  test("has the package.json of a folder to copy", () => {
    expect(manifest).toMatchObject({
      private: true,
      description: expect.stringMatching(/\S/) as string,
      type: "module",
      engines: { node: root.engines?.node },
      scripts: { typecheck: "tsc" },
    });
    if (directory === EXAMPLE) return;
    expect(manifest.name).toBe(`kvpolicy-example-${directory.slice("examples/".length)}`);
    expect(manifest.license).toBe(root.license);
    // What the tests of the examples run, without the command.
    expect(["tsx src/main.ts", "vite"]).toContain(manifest.scripts?.["start"]);
    expect(existsSync(join(directory, "src/main.ts"))).toBe(true);
  });

  test("has a short README under its name", () => {
    const lines = readReadme(directory).trimEnd().split("\n");
    expect(lines[0]).toBe(`# ${name}`);
    if (directory !== EXAMPLE) expect(lines.length).toBeLessThanOrEqual(20);
  });

  test("declares what it imports", () => {
    const { dependencies, devDependencies } = manifest;
    const declared = Object.keys({ ...dependencies, ...devDependencies });
    const imported = sourcesOf(directory)
      .flatMap(importsOf)
      .filter((specifier) => !/^(\.|node:)/.test(specifier))
      .map(packageOf);
    expect(imported.filter((specifier) => !declared.includes(specifier))).toEqual([]);
  });

  test("is run by a test", () => {
    const tests = ["examples", "custom-policy"].map((file) =>
      readFileSync(`testing/${file}.process.test.ts`, "utf8"),
    );
    const name = directory.slice("examples/".length);
    const isRun = new RegExp(`(start|run)\\("${name}"|resolve\\("${directory}"\\)`);
    expect(tests.some((text) => isRun.test(text))).toBe(true);
  });

  test("is named in the README or a guide", () => {
    const isNamed = new RegExp(`\\b${directory}\\b(?!-)`);
    expect([readReadme("."), ...guides].some((text) => isNamed.test(text))).toBe(true);
  });
});
