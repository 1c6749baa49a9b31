/** A punctuation mark alone, white space around it or not, or nothing but white space. */
const SEPARATOR = /^(?:\s+|\s*[.,?!;:]\s*)$/;

/**
 * Whether a token's text is what SepLLM calls a separator: one of `. , ? ! ; :`, with white space around it or without, or white
 * space alone. For {@link SeparatorOptions.separatorTokens}, with what finds the tokens of a model by their text.
 *
 * @example
 * ```ts
 * const separatorTokens = findTokens(model, isSeparator);
 * ```
 */
export function isSeparator(text: string): boolean {
  return SEPARATOR.test(text);
}
