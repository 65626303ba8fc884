/**
 * An answer about a person is sent no sooner than this after its question was read whole, in milliseconds. A question
 * that gets no entry costs a word from the keeper; one that does costs two durable writes besides. The floor hides
 * what is quicker than it, and is low enough that an answer with its entry has mostly used it up: it costs nothing
 * under load. It is no setting, so that nobody can set it to nothing.
 */
export const FLOOR_MS = 2;

/** A clock that never goes back, and a way to wait by it. */
export interface FloorClock {
  /** Milliseconds, from any beginning. */
  now(): number;
  /** Waits about so long; it may come back a little early. */
  wait(milliseconds: number): Promise<void>;
}

/** The process's own. */
export const MONOTONIC: FloorClock = {
  now: () => performance.now(),
  wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/** Waits until the floor is reached; where it is already, for nothing, and without a timer. */
export async function reachFloor(takenIn: number, clock: FloorClock): Promise<void> {
  for (let left = leftOf(takenIn, clock); left > 0; left = leftOf(takenIn, clock)) {
    await clock.wait(Math.ceil(left));
  }
}

function leftOf(takenIn: number, clock: FloorClock): number {
  return takenIn + FLOOR_MS - clock.now();
}
