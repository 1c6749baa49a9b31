/*
 * Reading Markdown as far as the tests of this repository need it: blocks of code, and what is around them.
 */

/** A block of code between fences. */
export interface Fence {
  /** What stands behind the opening fence. */
  readonly info: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
  /** Its lines, without the fences and their indentation. */
  readonly lines: readonly string[];
  /** Whether it ends before the page does. */
  readonly isClosed: boolean;
}

/** A line outside all blocks of code. */
export interface ProseLine {
  /** Its number, from 1. */
  readonly line: number;
  /** What it says. */
  readonly text: string;
}

/** A page in the order of its lines. */
export type Block = { readonly fence: Fence } | { readonly prose: ProseLine };

/** Takes a page apart. */
export function readBlocks(markdown: string): Block[] {
  const lines = markdown.split("\n");
  const blocks: Block[] = [];
  for (let index = 0; index < lines.length; index++) {
    const opening = /^(\s*)(`{3,}|~{3,})(.*)$/.exec(lines[index]!);
    if (!opening) {
      blocks.push({ prose: { line: index + 1, text: lines[index]! } });
      continue;
    }
    const [, indentation = "", marker = "", info = ""] = opening;
    const start = index + 1;
    const closing = new RegExp(`^\\s*${marker[0]!}{${marker.length},}\\s*$`);
    const length = lines.slice(start).findIndex((line) => closing.test(line));
    const end = length < 0 ? lines.length : start + length;
    const code = lines.slice(start, end).map((line) => withoutIndentation(line, indentation.length));
    blocks.push({ fence: { info: info.trim(), line: start, lines: code, isClosed: length >= 0 } });
    index = end;
  }
  return blocks;
}

function withoutIndentation(line: string, most: number): string {
  const own = line.length - line.trimStart().length;
  return line.slice(Math.min(own, most));
}

/** The blocks of code of a page. */
export function readFences(markdown: string): Fence[] {
  return readBlocks(markdown).flatMap((block) => ("fence" in block ? [block.fence] : []));
}

/** The lines of a page that are no code. */
export function readProse(markdown: string): ProseLine[] {
  return readBlocks(markdown).flatMap((block) => ("prose" in block ? [block.prose] : []));
}

/** The headings of one level, 2 for `##`. */
export function headingsOf(markdown: string, level: number): string[] {
  const pattern = new RegExp(`^#{${level}} +(.*?)\\s*$`);
  return readProse(markdown).flatMap(({ text }) => pattern.exec(text)?.[1] ?? []);
}
