/** Bits of the dots of a braille character, by row and column. */
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
const FIRST_BRAILLE = 0x2800;

/** A point in dots, from the top left corner. */
export interface DotPoint {
  /** Column of dots. */
  readonly x: number;
  /** Row of dots. */
  readonly y: number;
}

/** Lines drawn with braille characters: two by four dots in each. A character belongs to the line that was drawn over it last. */
export class BrailleCanvas {
  /** Width in dots. */
  readonly dotWidth: number;
  /** Height in dots. */
  readonly dotHeight: number;
  readonly #columns: number;
  readonly #cells: Uint8Array;
  readonly #owners: Int16Array;
  #rule = -1;

  /** An empty canvas of a number of characters. */
  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.dotWidth = columns * 2;
    this.dotHeight = rows * 4;
    this.#cells = new Uint8Array(columns * rows);
    this.#owners = new Int16Array(columns * rows).fill(-1);
  }

  /** A dotted vertical bar in a column of characters, behind the lines. */
  rule(column: number): void {
    this.#rule = column;
  }

  /** Joins points by straight lines that belong to `owner`. */
  line(points: readonly DotPoint[], owner: number): void {
    points.forEach((to, index) => {
      const from = points[index - 1] ?? to;
      const steps = Math.max(1, Math.ceil(Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y))));
      for (let step = 0; step <= steps; step += 1) {
        const share = step / steps;
        this.#dot(from.x + (to.x - from.x) * share, from.y + (to.y - from.y) * share, owner);
      }
    });
  }

  /** The rows as text; `paint` colours a character by its owner, the rule by none. */
  rows(paint: (text: string, owner: number | undefined) => string): string[] {
    return Array.from({ length: this.dotHeight / 4 }, (_, row) =>
      Array.from({ length: this.#columns }, (__, column) => {
        const index = row * this.#columns + column;
        const dots = this.#cells[index] ?? 0;
        if (dots !== 0) return paint(String.fromCodePoint(FIRST_BRAILLE + dots), this.#owners[index]);
        return column === this.#rule ? paint("┊", undefined) : " ";
      }).join(""),
    );
  }

  #dot(x: number, y: number, owner: number): void {
    const column = Math.max(0, Math.min(this.dotWidth - 1, Math.round(x)));
    const row = Math.max(0, Math.min(this.dotHeight - 1, Math.round(y)));
    const index = Math.floor(row / 4) * this.#columns + Math.floor(column / 2);
    this.#cells[index] = (this.#cells[index] ?? 0) | (DOTS[row % 4]?.[column % 2] ?? 0);
    this.#owners[index] = owner;
  }
}
