const LINE_BREAK = "\n";

/**
 * The tokens of a piece of a longer text, of which the pieces are encoded apart so that a piece has the same tokens wherever it stands.
 *
 * Some tokenizers put a space in front of every text. A line break in front takes it, and is taken off again; where the tokenizer
 * melts it with what follows, the piece is encoded alone.
 */
export function encodeApart(encode: (text: string) => Uint32Array, piece: string): Uint32Array {
  const lineBreak = encode(LINE_BREAK);
  const both = encode(LINE_BREAK + piece);
  const isPrefix = lineBreak.every((token, index) => both[index] === token);
  return isPrefix && both.length > lineBreak.length ? both.subarray(lineBreak.length) : encode(piece);
}
