/** Types of cached keys and values. */
export const CACHE_TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0"] as const;

/** One of {@link CACHE_TYPES}. */
export type CacheType = (typeof CACHE_TYPES)[number];
