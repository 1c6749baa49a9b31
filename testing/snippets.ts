import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import ts from "typescript";

import { readBlocks, type Fence } from "./markdown.js";

/*
 * The TypeScript in Markdown pages. Each block is a module of its own, and what a reader brings is said in a comment before it:
 *
 *   <!-- given: declare const book: string; -->   stands in front of the block
 *   <!-- continues -->                            the block goes on from the one before it on the page
 *   <!-- from: examples/quick-start/src/main.ts --> the block is lines of that file, where it is compiled
 */

/** A page to look through. */
export interface Page {
  /** Its path from the root of the repository. */
  readonly path: string;
  /** Its text. */
  readonly markdown: string;
}

/** What is wrong, as `path:line: message`. */
export type Problem = string;

/** A line of a module and where it stands in the page. */
interface ModuleLine {
  readonly text: string;
  readonly line: number;
}

/** A module that is put together from the blocks of a page. */
interface SnippetModule {
  /** Path of its page. */
  readonly page: string;
  /** Its lines, those that are given included. */
  readonly lines: ModuleLine[];
}

/** What is wrong in a page, and where. */
interface Fault {
  readonly line: number;
  readonly message: string;
}

/** What the comments before a block say. */
interface Directives {
  readonly given: readonly ModuleLine[];
  readonly continues: boolean;
  readonly from?: string;
  /** Where the last of them stands. */
  readonly line?: number;
}

/** A block of TypeScript. */
interface Snippet extends Directives {
  readonly fence: Fence;
}

const NO_DIRECTIVES: Directives = { given: [], continues: false };
const DIRECTIVE = /^\s*<!--\s*(?:given|continues|from)\b/;
/** What else a block of TypeScript may be called, all of which would go unchecked. */
const OTHER_NAMES = /^(?:typescript|tsx|mts|cts|ts)\b/i;

/** Every page whose TypeScript is checked. */
export function snippetPages(): Page[] {
  const below = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map(
      (path) => `${folder}/${path.replaceAll("\\", "/")}`,
    );
  const isReadme = (path: string): boolean => path.endsWith("/README.md");
  return [
    ...readdirSync("."),
    ...below("packages").filter(isReadme),
    ...below("examples").filter(isReadme),
    ...below("benchmarks"),
    ...below("apps/docs").filter((path) => !path.startsWith("apps/docs/api/")),
  ]
    .filter((path) => path.endsWith(".md") && !/\/(?:node_modules|dist|\.vitepress)\//.test(path))
    .toSorted()
    .map((path) => ({ path, markdown: readFileSync(path, "utf8") }));
}

/** How many blocks of TypeScript a page has. */
export function countSnippets({ markdown }: Page): number {
  return readSnippets(markdown).snippets.length;
}

/** Checks how the TypeScript of pages is written down, and its types, all in one program. */
export function checkSnippets(pages: readonly Page[]): Problem[] {
  const modules: SnippetModule[] = [];
  const problems: Problem[] = [];
  for (const { path, markdown } of pages) {
    const { snippets, faults } = readSnippets(markdown);
    const joined = joinSnippets(path, snippets);
    modules.push(...joined.modules);
    problems.push(...[...faults, ...joined.faults].map(({ line, message }) => `${path}:${line}: ${message}`));
  }
  return [...problems, ...checkModules(modules)];
}

/** Finds the blocks of TypeScript of a page, each with the comments right before it. */
function readSnippets(markdown: string): { snippets: Snippet[]; faults: Fault[] } {
  const snippets: Snippet[] = [];
  const faults: Fault[] = [];
  let directives = NO_DIRECTIVES;
  const checkUsed = (): void => {
    if (directives.line !== undefined)
      faults.push({ line: directives.line, message: "the comment is not followed by a block of ts" });
    directives = NO_DIRECTIVES;
  };
  for (const block of readBlocks(markdown)) {
    if ("prose" in block) {
      const { line, text } = block.prose;
      if (DIRECTIVE.test(text)) {
        const said = readDirective(text, line);
        if (said)
          directives = { ...directives, ...said, given: [...directives.given, ...(said.given ?? [])], line };
        else faults.push({ line, message: "the comment cannot be read" });
      } else if (text.trim() !== "") checkUsed();
      continue;
    }
    const { fence } = block;
    if (fence.info === "ts") {
      snippets.push({ ...directives, fence });
      directives = NO_DIRECTIVES;
      if (!fence.isClosed) faults.push({ line: fence.line, message: "the block has no end" });
      if (fence.lines.length === 0) faults.push({ line: fence.line, message: "the block is empty" });
      continue;
    }
    checkUsed();
    if (OTHER_NAMES.test(fence.info))
      faults.push({ line: fence.line, message: `"${fence.info}" is not checked: call the block "ts"` });
  }
  checkUsed();
  return { snippets, faults };
}

function readDirective(text: string, line: number): Partial<Directives> | undefined {
  const [, kind, content] = /^\s*<!-- (given: |continues|from: )(.*?) ?-->\s*$/.exec(text) ?? [];
  if (kind === "continues") return content === "" ? { continues: true } : undefined;
  if (!content) return undefined;
  return kind === "given: " ? { given: [{ text: content, line }] } : { from: content };
}

/** Puts modules together. A block from a file is held against that file, which is compiled where it is. */
function joinSnippets(
  page: string,
  snippets: readonly Snippet[],
): { modules: SnippetModule[]; faults: Fault[] } {
  const modules: SnippetModule[] = [];
  const faults: Fault[] = [];
  let current: SnippetModule | undefined;
  for (const { fence, given, continues, from } of snippets) {
    const complain = (message: string): unknown => faults.push({ line: fence.line, message });
    if (from !== undefined) {
      if (continues || given.length > 0) complain("a block from a file has no other comment");
      const difference = findDifference(fence, from);
      if (difference) complain(difference);
      current = undefined;
      continue;
    }
    const own = fence.lines.map((text, index) => ({ text, line: fence.line + 1 + index }));
    if (continues && current) current.lines.push(...given, ...own);
    else if (continues) complain("there is no module before this block that it could continue");
    else modules.push((current = { page, lines: [...given, ...own] }));
  }
  return { modules, faults };
}

/** Why a block is not what stands in a file: it must be some of its lines, whole and without a gap. */
function findDifference({ lines }: Fence, path: string): string | undefined {
  if (!existsSync(path)) return `there is no file ${path}`;
  const content = `\n${readFileSync(path, "utf8")}\n`;
  if (content.includes(`\n${lines.join("\n")}\n`)) return undefined;
  const missing = lines.find((line) => !content.includes(`\n${line}\n`));
  return missing === undefined
    ? `its lines are in ${path}, but not one after the other`
    : `not in ${path}: ${missing}`;
}

function checkModules(modules: readonly SnippetModule[]): Problem[] {
  // A module lies beside its page, and so sees the packages that the page's package sees.
  const files = new Map(
    modules.map((module, index) => [resolve(dirname(module.page), `snippet-${index}.mts`), module]),
  );
  const options = compilerOptions();
  const textOf = (path: string): string | undefined =>
    files
      .get(path)
      ?.lines.map(({ text }) => text)
      .join("\n");
  const host = ts.createCompilerHost(options);
  const readsFromDisk = { ...host };
  host.fileExists = (path) => files.has(path) || readsFromDisk.fileExists(path);
  host.readFile = (path) => textOf(path) ?? readsFromDisk.readFile(path);
  host.getSourceFile = (path, languageOrOptions, ...rest) => {
    const text = textOf(path);
    return text === undefined
      ? readsFromDisk.getSourceFile(path, languageOrOptions, ...rest)
      : ts.createSourceFile(path, text, languageOrOptions);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  const general = program.getOptionsDiagnostics().map(({ messageText }) => textOfMessage(messageText));
  return [
    ...general,
    ...[...files].flatMap(([path, module]) => {
      const source = program.getSourceFile(path)!;
      return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
        (diagnostic) => describe(diagnostic, source, module),
      );
    }),
  ];
}

/** Those of the repository, but that a snippet may declare what it does not use. */
function compilerOptions(): ts.CompilerOptions {
  const parsed = ts.getParsedCommandLineOfConfigFile(
    "tsconfig.json",
    // The example imports itself by its name, as who copies it will; its package names built files, which are not there yet.
    {
      noUnusedLocals: false,
      noUnusedParameters: false,
      paths: { "rare-tokens": ["./examples/custom-policy/src/index.ts"] },
    },
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
        throw new Error(textOfMessage(messageText));
      },
    },
  );
  if (!parsed) throw new Error("tsconfig.json cannot be read.");
  return parsed.options;
}

function describe(
  { start, messageText }: ts.Diagnostic,
  source: ts.SourceFile,
  module: SnippetModule,
): Problem {
  const row = source.getLineAndCharacterOfPosition(start ?? 0).line;
  const line = module.lines[Math.min(row, module.lines.length - 1)]?.line ?? 0;
  return `${module.page}:${line}: ${textOfMessage(messageText)}`;
}

function textOfMessage(message: string | ts.DiagnosticMessageChain): string {
  return ts.flattenDiagnosticMessageText(message, "\n");
}
