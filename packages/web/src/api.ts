import type { AppointedWitnesses, CertifiedEntry, InstanceAnswer } from '@amanat/core/verify';

/** What the pages read of the HTTP API under /v1, as its OpenAPI document describes it. */

export type Language = 'en' | 'ur';

/** A text in both languages. */
export interface Title {
  readonly en: string;
  readonly ur: string;
}

export interface Contact {
  readonly email: string;
  readonly phone: string | null;
  readonly address: string | null;
}

/** GET /v1/instance */
export interface Instance extends InstanceAnswer {
  readonly origin: string;
  readonly mode: string;
  readonly banner: string | null;
  readonly keeperSealingKey: string;
  /** null: the log is not yet witnessed. */
  readonly witnesses: (AppointedWitnesses & { readonly names: readonly string[] }) | null;
  /** Milliseconds since 1970, by the gateway. */
  readonly time: number;
}

/** One of GET /v1/agencies: the document in force. */
export interface Agency {
  readonly agency: string;
  readonly name: Title;
  readonly contact: Contact;
}

export interface Field {
  readonly name: string;
  readonly title: Title;
  readonly category: string;
  readonly group: string;
}

/** A holding's declaration. */
export interface Holding {
  readonly holding: string;
  readonly title: Title;
  readonly controller: { readonly id: string; readonly name: Title; readonly contact: Contact };
  readonly purposes: readonly string[];
  readonly legalBases: readonly string[];
  readonly recipients: readonly string[];
  readonly eventDate: string | null;
  readonly retentionMonths: number;
  /** `YYYY-MM-DD` */
  readonly reviewDate: string;
  readonly fields: readonly Field[];
}

/** GET /v1/holdings: the declarations in force, and those that will be. */
export interface Holdings {
  readonly holdings: readonly Holding[];
  readonly upcoming: readonly {
    readonly declaration: Holding;
    /** Milliseconds since 1970. */
    readonly from: number;
  }[];
}

/** GET /v1/seals: by which rules look-ups may be withheld until a date, and what the keeper has counted of it. */
export interface Seals {
  /** null: nothing can be. */
  readonly rules: {
    readonly jurisdiction: string;
    readonly grounds: readonly {
      readonly ground: string;
      readonly title: Title;
      readonly daysMax: number;
      readonly source: string;
    }[];
    readonly agencies: readonly { readonly agency: string; readonly openMax: number }[];
  } | null;
  readonly counts: readonly SealCount[];
}

/** An agency's withheld look-ups of a month, `YYYY-MM`. */
export interface SealCount {
  readonly agency: string;
  readonly month: string;
  readonly sealed: number;
  readonly extended: number;
  readonly opened: number;
  readonly refused: number;
  readonly awaited: number;
}

/** One of GET /v1/expired: a holding's month, `YYYY-MM`, whose key is destroyed. */
export interface DestroyedMonth {
  readonly holding: string;
  readonly month: string;
  /** Of the entry by which it was. */
  readonly index: number;
  /** Milliseconds since 1970, by the certificate; null while there is none. */
  readonly destroyed: number | null;
}

/** What the gateway says is held; no proof goes with it. */
export interface Held {
  readonly holding: string;
  readonly records: number;
  /** Milliseconds since 1970. */
  readonly firstImport: number;
  /** The last month in which it can be read, `YYYY-MM`. */
  readonly until: string;
}

/** An answer other than 2xx, by the `code` of its problem details (RFC 9457); 'unreachable' where none came. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly code: string;

  constructor(code: string) {
    super(`the service answered ${code}`);
    this.code = code;
  }
}

/** @throws ApiError also where the instance has no keys yet: nothing could be checked */
export async function fetchInstance(): Promise<Instance> {
  const found = (await fetchJson('/v1/instance')) as Instance | { readonly logKey: null };
  if (found.logKey === null) throw new ApiError('unavailable');
  return found;
}

export async function fetchAgencies(): Promise<readonly Agency[]> {
  const { agencies } = (await fetchJson('/v1/agencies')) as { agencies: readonly Agency[] };
  return agencies;
}

export async function fetchHoldings(): Promise<Holdings> {
  return (await fetchJson('/v1/holdings')) as Holdings;
}

export async function fetchSeals(): Promise<Seals> {
  return (await fetchJson('/v1/seals')) as Seals;
}

export async function fetchDestroyedMonths(): Promise<readonly DestroyedMonth[]> {
  const { months } = (await fetchJson('/v1/expired')) as { months: readonly DestroyedMonth[] };
  return months;
}

/** A certificate of what an entry destroyed. Hostile until it is verified. */
export async function fetchCertificate(index: number): Promise<CertifiedEntry> {
  return (await fetchJson(`/v1/certificates/${index}`)) as CertifiedEntry;
}

/** Sends a sealed asking. What comes back is hostile until it is verified. */
export function postHistory(ask: { enc: string; ciphertext: string }): Promise<unknown> {
  return fetchJson('/v1/history', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ enc: ask.enc, ciphertext: ask.ciphertext }),
  });
}

/** The log's newest published checkpoint, a signed note. */
export async function fetchCheckpoint(): Promise<string> {
  return (await request('/checkpoint', { cache: 'no-store' })).text();
}

/** A file of the log. @throws ApiError where it is not published (yet). */
export async function fetchLogFile(path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await request(`/${path}`)).arrayBuffer());
}

async function fetchJson(path: string, init?: RequestInit): Promise<unknown> {
  const response = await request(path, { ...init, cache: 'no-store' });
  try {
    return await response.json();
  } catch {
    throw new ApiError('unreachable');
  }
}

async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, credentials: 'omit', referrerPolicy: 'no-referrer' });
  } catch {
    throw new ApiError('unreachable');
  }
  if (response.ok) return response;
  throw new ApiError(await problemCode(response));
}

async function problemCode(response: Response): Promise<string> {
  try {
    const { code } = (await response.json()) as { code?: unknown };
    if (typeof code === 'string') return code;
  } catch {
    // Not a problem document: the status says what there is to say.
  }
  return response.status === 429 ? 'too-many-requests' : 'unavailable';
}
