import { computed, onScopeDispose, ref, watch, type ComputedRef, type Ref } from "vue";

/** Where a stream is shown, and whether it goes on by itself. */
export interface Playback {
  /** Tokens read so far. */
  readonly position: Ref<number>;
  readonly isPlaying: Ref<boolean>;
  /** Tokens a second. */
  readonly speed: Ref<number>;
  /** Whether the latest change was a single step that is slow enough for its movement to be seen. */
  readonly isSlow: ComputedRef<boolean>;
  /** Goes forward, or backward by a negative number. */
  step(tokens: number): void;
  /** Goes to a position, and stops there. */
  goTo(position: number): void;
  /** Plays, from the beginning where the end is reached, or stops. */
  toggle(): void;
}

/** The fastest speed at which a movement can be followed, in tokens a second. */
const SLOW = 4;

/** Milliseconds that one frame counts at most: a page in the background gets no frames for minutes. */
const LONGEST_FRAME = 100;

/** Plays `length` tokens, with the frames of the screen as its clock. */
export function usePlayback(length: Ref<number>): Playback {
  const position = ref(0);
  const isPlaying = ref(false);
  const speed = ref(4);
  const latestChange = ref(0);
  const isSlow = computed(
    () => Math.abs(latestChange.value) === 1 && (!isPlaying.value || speed.value <= SLOW),
  );
  let request = 0;
  let before = 0;
  let due = 0;

  function moveTo(target: number): void {
    const reached = Math.max(0, Math.min(length.value, target));
    latestChange.value = reached - position.value;
    position.value = reached;
  }

  function tick(now: number): void {
    // The first frame may have begun before playing did.
    const elapsed = Math.min(Math.max(0, now - before), LONGEST_FRAME);
    due += (elapsed / 1000) * speed.value;
    before = now;
    const whole = Math.floor(due);
    due -= whole;
    if (whole > 0) moveTo(position.value + whole);
    if (position.value >= length.value) isPlaying.value = false;
    else request = requestAnimationFrame(tick);
  }

  watch(isPlaying, (plays) => {
    cancelAnimationFrame(request);
    if (!plays) return;
    before = performance.now();
    due = 0;
    request = requestAnimationFrame(tick);
  });
  watch(length, () => {
    isPlaying.value = false;
    moveTo(position.value);
  });
  onScopeDispose(() => {
    cancelAnimationFrame(request);
  });

  function goTo(target: number): void {
    isPlaying.value = false;
    moveTo(target);
  }

  return {
    position,
    isPlaying,
    speed,
    isSlow,
    goTo,
    step: (tokens) => {
      goTo(position.value + tokens);
    },
    toggle: () => {
      if (!isPlaying.value && position.value >= length.value) moveTo(0);
      isPlaying.value = !isPlaying.value && length.value > 0;
    },
  };
}
