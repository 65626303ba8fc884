import { randomBytes } from 'node:crypto';
import type { SigningKey } from '@amanat/core/keys';
import { generateSigningKey } from '@amanat/core/keys';
import type { SignedRequest } from '../packages/server/cli/requests.ts';
import { signRequest } from '../packages/server/cli/requests.ts';
import type { Instance, Terms } from './_instance.ts';
import { simTerms } from './_instance.ts';

const YEAR_MS = 365 * 86_400_000;

/** One more officer, who counts her own requests. */
export class Officer {
  readonly key: SigningKey;
  #sequence = 0;

  private constructor(key: SigningKey) {
    this.key = key;
  }

  /** Certifies a new key in both administrators' names; the instance's own gateway must run. */
  static async enrol(instance: Instance, person: string, agency = 'demo-police'): Promise<Officer> {
    const key = generateSigningKey('p256');
    await instance.enter<'certificate'>({
      type: 'certificate',
      key: key.public.text,
      version: 1,
      person,
      agency,
      line: 'one',
      role: 'officer',
      subjectsPerDay: 900_000,
      notAfter: Date.now() + YEAR_MS,
      time: Date.now(),
    });
    return new Officer(key);
  }

  /** Signs a request about SIM registrations, unless the terms say otherwise. */
  request(cnics: readonly string[], { time, ...terms }: Terms = {}): SignedRequest {
    this.#sequence += 1;
    return signRequest(
      this.key,
      { ...simTerms(cnics), ...terms },
      { sequence: this.#sequence, now: time ?? Date.now(), random: randomBytes },
    );
  }
}
