import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path/posix";

import { readProse } from "./markdown.js";

/*
 * The links of a Markdown page within this repository: files, folders and headings that have to be there.
 */

/** A link, an image or an HTML attribute that points somewhere. */
export interface Link {
  /** Line in the page, from 1. */
  readonly line: number;
  readonly target: string;
}

const OWN_ADDRESS = /^https:\/\/github\.com\/kvpolicy\/kvpolicy\/(?:blob|tree)\/main\//;

/** Every link of a page, in the order in which they stand. Code is left out. */
export function readLinks(markdown: string): Link[] {
  return readProse(markdown).flatMap(({ line, text }) => {
    const prose = text.replaceAll(/(`+).+?\1/g, "code");
    return [
      ...prose.matchAll(/\]\(<?([^\s)>]+)>?(?: +"[^"]*")?\)/g),
      ...prose.matchAll(/^ {0,3}\[[^\]]+\]: +(\S+)/g),
      ...prose.matchAll(/\b(?:href|src|srcset)="([^"]+)"/g),
    ].map(([, target]) => ({ line, target: target! }));
  });
}

/** What is wrong with the links of a page, as `path:line: message`. Other sites are not asked. */
export function findBrokenLinks(path: string, markdown = readFileSync(path, "utf8")): string[] {
  return readLinks(markdown).flatMap(({ line, target }) => {
    const message = findProblem(path, markdown, target);
    return message === undefined ? [] : [`${path}:${line}: ${message}`];
  });
}

function findProblem(page: string, markdown: string, target: string): string | undefined {
  const isOwn = OWN_ADDRESS.test(target);
  if (!isOwn && /^[a-z][a-z+.-]*:/i.test(target)) return undefined;
  if (!isOwn && target.startsWith("/")) return `${target} begins at a root that GitHub and npm do not have`;
  const [address = "", anchor] = target.replace(OWN_ADDRESS, "").split("#");
  const file = address === "" ? page : normalize(isOwn ? address : join(dirname(page), address));
  if (file !== page && !existsSync(file)) return `there is no ${file}`;
  if (anchor === undefined) return undefined;
  if (!file.endsWith(".md")) return `${file} has no headings for #${anchor}`;
  const text = file === page ? markdown : readFileSync(file, "utf8");
  return anchorsOf(text).includes(anchor) ? undefined : `${file} has no heading #${anchor}`;
}

/** The anchors that GitHub gives the headings of a page. */
export function anchorsOf(markdown: string): string[] {
  const taken = new Map<string, number>();
  return readProse(markdown).flatMap(({ text }) => {
    const heading = /^#{1,6} +(.*?)\s*#*$/.exec(text)?.[1];
    if (heading === undefined) return [];
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1");
    const anchor = plain
      .toLowerCase()
      .replaceAll(/[^\p{Letter}\p{Mark}\p{Number}\p{Connector_Punctuation} -]/gu, "")
      .replaceAll(" ", "-");
    const before = taken.get(anchor) ?? 0;
    taken.set(anchor, before + 1);
    return [before === 0 ? anchor : `${anchor}-${before}`];
  });
}
