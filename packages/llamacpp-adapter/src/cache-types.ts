/** Types of cached keys and values. */
export const CACHE_TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0"] as const;

/**
 * Type of cached keys or values, by its name in llama.cpp.
 *
 * @useDeclaredType
 */
export type CacheType = (typeof CACHE_TYPES)[number];
