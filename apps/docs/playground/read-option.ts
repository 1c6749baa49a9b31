/**
 * The value of an option as it was typed: a number where it reads like one, else the text, which the policy may know or refuse;
 * `undefined` where nothing was typed.
 */
export function readOption(text: string): number | string | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  return /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : trimmed;
}
