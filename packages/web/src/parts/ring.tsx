import type { Check } from '@amanat/core/verify';

const RADIUS = 12;

/** A ring with one segment for each check: closed where all passed, broken where one failed. */
export function Ring({ states }: { readonly states: readonly Check['state'][] }) {
  const share = 360 / states.length;
  return (
    <svg className="ring" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      {states.map((state, i) => (
        <circle
          // biome-ignore lint/suspicious/noArrayIndexKey: the segments have no other name, and never move
          key={i}
          className={`ring-${state}`}
          cx="16"
          cy="16"
          r={RADIUS}
          pathLength={360}
          strokeDasharray={`${share - 7} ${360 - share + 7}`}
          transform={`rotate(${i * share - 90 + 3.5} 16 16)`}
        />
      ))}
      <circle className="ring-heart" cx="16" cy="16" r="3.5" />
    </svg>
  );
}
