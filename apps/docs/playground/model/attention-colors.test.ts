import { describe, expect, it } from "vitest";

import { colorOf, LEAST_SHARE, paint, PALETTES } from "./attention-colors.js";

describe.each(["light", "dark"] as const)("the colours of the %s theme", (theme) => {
  const palette = PALETTES[theme];
  const luminance = (share: number): number => {
    const [red, green, blue] = colorOf(share, palette);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };

  it("begin, bend and end where the palette says", () => {
    expect(colorOf(0, palette)).toEqual(palette.low);
    expect(colorOf(LEAST_SHARE, palette)).toEqual(palette.low);
    expect(colorOf(0.1, palette).map(Math.round)).toEqual(palette.middle);
    expect(colorOf(1, palette).map(Math.round)).toEqual(palette.high);
  });

  it("go one way, so that they can be told apart without hues", () => {
    const shares = Array.from({ length: 31 }, (_, index) => 10 ** (index / 10 - 3));
    const steps = shares.slice(1).map((share, index) => luminance(share) - luminance(shares[index]!));
    expect(new Set(steps.map(Math.sign)).size).toBe(1);
  });
});

it("paints a pixel for each value", () => {
  const pixels = paint([1, 0], PALETTES.dark);
  expect([...pixels]).toEqual([...PALETTES.dark.high, 255, ...PALETTES.dark.low, 255]);
});
