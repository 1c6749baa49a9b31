/** Number of F16 bit patterns. */
const PATTERNS = 0x10000;
/** Exponent of the smallest normal F16, 2^-14. Below it the distance between neighbours stays the same. */
const SMALLEST_EXPONENT = -14;
/** Exponent of the largest F16. */
const LARGEST_EXPONENT = 15;
/** Bits of an F16 after the binary point. */
const FRACTION_BITS = 10;
/** The same for the F64 that JavaScript calculates with, and what is added to its exponent. */
const DOUBLE_FRACTION_BITS = 52;
const DOUBLE_BIAS = 1023;
/** From here on the nearest F16 is infinity: halfway between the largest F16, 65504, and what would be next. */
const OVERFLOW = 65520;

let table: Float32Array | undefined;

/**
 * The value of every F16 bit pattern, indexed by the pattern: 65,536 numbers, built on the first call.
 * For loops that cannot afford a call for each number.
 */
export function getHalfTable(): Float32Array {
  return (table ??= Float32Array.from({ length: PATTERNS }, (_, bits) => decodeHalf(bits)));
}

/** The value of an F16 (IEEE 754 binary16), given its 16 bits as an integer from 0 to 65,535. */
export function halfToSingle(bits: number): number {
  return getHalfTable()[bits] ?? NaN;
}

function decodeHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> FRACTION_BITS) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** (SMALLEST_EXPONENT - FRACTION_BITS);
  return sign * (1 + fraction / 2 ** FRACTION_BITS) * 2 ** (exponent - LARGEST_EXPONENT);
}

/**
 * For each binary exponent from -14 to 15 a number so large that adding it to a value of that exponent rounds the value
 * to the precision of an F16, in the hardware and thus to nearest even. The half more keeps negative sums in the same binade.
 */
const roundingTerms = Float64Array.from(
  { length: LARGEST_EXPONENT - SMALLEST_EXPONENT + 1 },
  (_, index) => 1.5 * 2 ** (SMALLEST_EXPONENT + index + DOUBLE_FRACTION_BITS - FRACTION_BITS),
);
const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
/** Which half of an F64 holds the exponent: it depends on the byte order of the machine. */
const HIGH_WORD = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;

/**
 * The value of the F16 nearest to a number: halves go to the even neighbour, what is too large becomes infinity, what is
 * too small becomes a subnormal or a zero of the same sign.
 */
export function roundToHalf(value: number): number {
  if (!(Math.abs(value) < OVERFLOW)) return value * Infinity;
  double[0] = value;
  const exponent = (((words[HIGH_WORD] ?? 0) >>> 20) & 0x7ff) - DOUBLE_BIAS;
  const term = roundingTerms[exponent < SMALLEST_EXPONENT ? 0 : exponent - SMALLEST_EXPONENT] ?? 0;
  const rounded = value + term - term;
  return rounded === 0 ? value * 0 : rounded;
}
