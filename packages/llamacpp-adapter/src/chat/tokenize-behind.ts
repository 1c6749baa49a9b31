import { LlamaText, type LlamaModel, type Token } from "node-llama-cpp";

/** Tokens of a text that stands behind others, where a tokenizer must not put its space in front. */
export function tokenizeBehind({ tokenizer }: Pick<LlamaModel, "tokenizer">, text: LlamaText): Token[] {
  const tokens = text.tokenize(tokenizer, "trimLeadingSpace");
  const [first] = text.values;
  if (typeof first !== "string" || !first.startsWith("\n")) return tokens;
  // node-llama-cpp 3.22 leaves the space there in front of a line break: behind another line break there is none.
  const line = LlamaText("\n").tokenize(tokenizer);
  const behind = LlamaText(["\n", ...text.values]).tokenize(tokenizer);
  const isBehindLine = line.every((token, index) => behind[index] === token);
  return isBehindLine ? behind.slice(line.length) : tokens;
}
