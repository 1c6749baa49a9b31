/** Colours of a picture of attention: of a share of 0.1 % or less, of 10 %, and of all of it. */
export interface AttentionPalette {
  readonly low: Color;
  readonly middle: Color;
  readonly high: Color;
}

/** Red, green and blue, from 0 to 255. */
export type Color = readonly [red: number, green: number, blue: number];

/** The least share that is told from nothing. */
export const LEAST_SHARE = 0.001;

/** The palettes of the two themes: what gets much stands out from the page in both. */
export const PALETTES: Readonly<Record<"light" | "dark", AttentionPalette>> = {
  light: { low: [246, 248, 248], middle: [74, 171, 160], high: [6, 42, 49] },
  dark: { low: [24, 28, 32], middle: [26, 122, 112], high: [244, 250, 190] },
};

/** The colour of a share, on a logarithmic scale. */
export function colorOf(share: number, { low, middle, high }: AttentionPalette): Color {
  const place = Math.log10(Math.max(share, LEAST_SHARE) / LEAST_SHARE) / -Math.log10(LEAST_SHARE);
  // 10 % lies at two of three decades.
  const knee = 2 / 3;
  if (place <= knee) return mix(low, middle, place / knee);
  return mix(middle, high, Math.min(1, (place - knee) / (1 - knee)));
}

/** The scale as a CSS gradient, from the least share to all of it. */
export function gradientOf({ low, middle, high }: AttentionPalette): string {
  const css = (color: Color): string => `rgb(${color.join(" ")})`;
  return `linear-gradient(to right, ${css(low)}, ${css(middle)} 66.67%, ${css(high)})`;
}

/** The pixels of a picture, [rows × columns × 4]. */
export function paint(values: ArrayLike<number>, palette: AttentionPalette): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(values.length * 4);
  for (let index = 0; index < values.length; index += 1)
    pixels.set([...colorOf(values[index] ?? 0, palette), 255], index * 4);
  return pixels;
}

function mix(from: Color, to: Color, share: number): Color {
  const one = (index: 0 | 1 | 2): number => from[index] + (to[index] - from[index]) * share;
  return [one(0), one(1), one(2)];
}
