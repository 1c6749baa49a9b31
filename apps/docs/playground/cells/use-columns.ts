import { computed, onMounted, onUnmounted, ref, type ComputedRef, type Ref } from "vue";

/** How many of so many cells stand in a row: as many as fit, in rows that are alike. */
export function columnsFor(cells: number, width: number, leastCellWidth: number): number {
  const fitting = Math.max(1, Math.floor(width / leastCellWidth));
  const rows = Math.ceil(cells / fitting);
  return Math.max(1, Math.ceil(cells / rows));
}

/** The columns for the width that an element has, and that width in pixels. */
export function useColumns(
  element: Readonly<Ref<HTMLElement | null>>,
  cells: () => number,
  leastCellWidth: number,
): { readonly columns: ComputedRef<number>; readonly width: Readonly<Ref<number>> } {
  const width = ref(0);
  let observer: ResizeObserver | undefined;
  onMounted(() => {
    if (!element.value) return;
    width.value = element.value.clientWidth;
    observer = new ResizeObserver(([entry]) => {
      width.value = entry?.contentRect.width ?? width.value;
    });
    observer.observe(element.value);
  });
  onUnmounted(() => observer?.disconnect());
  return { columns: computed(() => columnsFor(cells(), width.value, leastCellWidth)), width };
}
