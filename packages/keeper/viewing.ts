import { base64, hex } from '@amanat/core/bytes';
import { canonicalText } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import { signingInput } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { sealOnce, secretKey, sign } from '@amanat/core/keys';
import { chainStart } from '@amanat/core/log';
import type { Head, SubjectView, View } from '@amanat/core/view';
import { VIEW_ENTRIES_MAX, writeView } from '@amanat/core/view';
import type { Opened } from './codes.ts';
import type { Following } from './following.ts';
import type { LookUps } from './look-ups.ts';
import { bodyKey } from './preparing.ts';
import type { Messages } from './protocol.ts';
import { Refusal } from './refusal.ts';
import type { Seals } from './seals.ts';
import type { KeeperStore } from './store.ts';
import type { Subjects } from './subjects.ts';
import type { ViewSessions } from './view-sessions.ts';

const NO_AAD = new Uint8Array(0);

export interface ViewingDeps {
  readonly store: KeeperStore;
  readonly subjects: Subjects;
  readonly lookUps: LookUps;
  readonly seals: Seals;
  readonly views: ViewSessions;
  readonly following: Following;
  readonly signing: SigningKey;
}

/** Shows a person her chains, sealed to her own browser, once her sign-in stands in the log. */
export class Viewing {
  readonly #deps: ViewingDeps;

  constructor(deps: ViewingDeps) {
    this.#deps = deps;
  }

  /**
   * @throws Refusal 'not-entered' where the ask is unknown or its entries are not in the log; 'too-large' where there is
   * more than a view holds
   */
  view({ ask }: Messages['view']['ask'], now: number): Messages['view']['answer'] {
    const session = this.#deps.views.find(ask, now);
    if (session === null || session.subjects.some(({ id }) => this.#deps.lookUps.find(id))) {
      throw new Refusal('not-entered', 'the sign-in has no entry in the log');
    }
    this.#deps.views.end(ask);
    const subjects = session.subjects.map((each) => this.#subjectView(each, session.session, now));
    const plaintext = writeOrRefuse({ type: 'view', subjects });
    return { sealed: base64(sealOnce(secretKey(session.answerKey), plaintext, NO_AAD)) };
  }

  #subjectView({ subject, controller, alias }: Opened, session: string, now: number): SubjectView {
    const { store, subjects, seals, following, signing } = this.#deps;
    const { number, chain } = subjects.chain(subject);
    const head: Head = {
      type: 'head',
      session,
      subject: hex(subject),
      controller,
      number,
      chain: hex(chain ?? chainStart(subject)),
      size: following.size,
      root: hex(following.root),
      time: now,
    };
    const text = canonicalText({ ...head });
    const first = Math.max(1, number - VIEW_ENTRIES_MAX + 1);
    const viewKey = subjects.viewKey(subject);
    const bodyKeys = Array.from({ length: number - first + 1 }, (_, offset) =>
      bodyKey(viewKey, first + offset),
    );
    const undelivered = store.all(
      'SELECT number FROM undelivered WHERE subject = ? AND number >= ? ORDER BY number',
      subject,
      first,
    );
    const opened = seals.openedOf(subject, first).map(({ number: opening, delivered, sealed }) => {
      const key = subjects.sealKey(subject);
      const keys = sealed.map((each) => bodyKey(key, each));
      return { number: opening, delivered, bodyKeys: base64(Buffer.concat(keys)) };
    });
    return {
      head: text,
      signature: base64(sign(signing, signingInput(text))),
      protected: subjects.isProtected(subject),
      alias,
      undelivered: undelivered.map((row) => Number(row.number)),
      first,
      bodyKeys: base64(Buffer.concat(bodyKeys)),
      opened,
    };
  }
}

function writeOrRefuse(view: View): Uint8Array {
  try {
    return writeView(view);
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause;
    throw new Refusal('too-large', 'more than a view holds', { cause });
  }
}
