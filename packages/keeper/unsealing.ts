import type { Signed } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import type { Following } from './following.ts';
import type { LookUps } from './look-ups.ts';
import { EMPTY_DRAFT } from './look-ups.ts';
import type { Messages } from './protocol.ts';
import type { Seals } from './seals.ts';
import { signByKeeper } from './signers.ts';
import type { Subjects } from './subjects.ts';

/** Openings that may wait for their entries at a time: nobody is answered while they begin. */
const OPENING_MAX = 128;

export interface UnsealingDeps {
  readonly seals: Seals;
  readonly lookUps: LookUps;
  readonly subjects: Subjects;
  readonly following: Following;
  readonly signing: SigningKey;
}

/** Opens by itself what is due, and says what the public is to be told of seals. */
export class Unsealing {
  readonly #deps: UnsealingDeps;

  constructor(deps: UnsealingDeps) {
    this.#deps = deps;
  }

  /** Begins an opening for each seal that is due: a look-up that is open until its entry is in the log. */
  look(now: number): Messages['seals']['answer'] {
    const { seals, lookUps, subjects } = this.#deps;
    let waiting = 0;
    for (const { draft } of lookUps.all()) if (draft.kind === 'opened') waiting++;
    const begun = seals.due(now, OPENING_MAX - waiting);
    for (const { subject, controller, agency, places } of begun) {
      const draft = {
        ...EMPTY_DRAFT,
        kind: 'opened' as const,
        controller,
        agency,
        // Which extensions there are by then is seen when it is prepared.
        seals: places.slice(0, 1),
        opened: now,
      };
      lookUps.open(subject, draft, null, subjects.viewKey(subject));
    }
    if (begun.length > 0) lookUps.persistNextId();
    return { due: waiting + begun.length, counted: this.#counted(now) };
  }

  /** The counts that the log has yet to take, in the keeper's words and with its signature. */
  #counted(now: number): Signed | null {
    const untold = this.#deps.seals.untold(now);
    if (untold === null) return null;
    const { size } = this.#deps.following;
    const document = writeDocument<'seals-counted'>({
      type: 'seals-counted',
      ...untold,
      size,
      time: now,
    });
    return signByKeeper(this.#deps.signing, document);
  }
}
