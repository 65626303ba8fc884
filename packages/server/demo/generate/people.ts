import { formatDay, parseDay } from './calendar.ts';
import type { BIOMETRIC_STATUSES, DIRECTIONS, Gender, WrittenName } from './names.ts';
import { FAMILY_NAMES, GIVEN_NAMES, OPERATORS, POSTS, TOWNS } from './names.ts';
import type { Random } from './random.ts';
import { Permutation, RandomSource } from './random.ts';

/** Bounded by the 2×10⁷ numbers of the synthetic mobile ranges, three kept for each person. */
export const PEOPLE_MAX = 5_000_000;
/** How many distinct identifiers of nobody there are to look up in vain. */
export const NOBODIES_MAX = 1_000_000;
/** The person whose page the demo opens: a woman with three SIMs, four crossings and a card. */
export const PROTAGONIST_INDEX = 0;

const SIMS_EACH_MAX = 3;
const CROSSINGS_EACH_MAX = 6;
const CROSSING_DAYS = 5 * 365;
const SIM_DAYS_MAX = 15 * 365;
const ADULT_DAYS = 18 * 366;
const AGE_SPAN_DAYS = 68 * 365;
/** The protagonist is not yet forty. */
const PROTAGONIST_ADULT_DAYS = 20 * 365;

export interface Sim {
  /** E.164. */
  readonly msisdn: string;
  /** The same number as this operator's clerk wrote it. */
  readonly msisdnWritten: string;
  readonly imsi: string;
  /** The owner's name in the script of this registration. */
  readonly nameWritten: string;
  readonly operator: (typeof OPERATORS)[number];
  /** YYYY-MM-DD. */
  readonly activatedOn: string;
  readonly biometricStatus: (typeof BIOMETRIC_STATUSES)[number];
}

export interface Crossing {
  /** ISO 8601 with +05:00. */
  readonly crossedAt: string;
  readonly direction: (typeof DIRECTIONS)[number];
  readonly post: string;
  readonly carrier: string;
}

interface SimOwner {
  readonly name: WrittenName;
  /** Days since she came of age: no SIM is older. */
  readonly adultDays: number;
}

/** Somebody who does not exist; every identifier lies in a synthetic range. */
export interface Person {
  readonly index: number;
  /** 0dddd-ddddddd-d, the last digit odd for a man and even for a woman. */
  readonly cnic: string;
  readonly gender: Gender;
  readonly name: WrittenName;
  /** YYYY-MM-DD, an adult today. */
  readonly dateOfBirth: string;
  readonly address: string;
  /** Issuer UTO (ICAO 9303's Utopia) and a number. */
  readonly document: string;
  readonly sims: readonly Sim[];
  /** Oldest first; empty for about two in three. */
  readonly crossings: readonly Crossing[];
}

/** People by index, each made when asked for: any number of them takes the same memory. */
export class People implements Iterable<Person> {
  readonly count: number;
  readonly #today: number;
  readonly #random: RandomSource;
  readonly #numbers: Permutation;
  readonly #msisdns: Permutation;
  readonly #imsis: Permutation;
  readonly #documents: Permutation;

  constructor(seed: string, count: number, today: string) {
    if (!Number.isInteger(count) || count < 1 || count > PEOPLE_MAX)
      throw new RangeError('count of people out of range');
    this.count = count;
    this.#today = parseDay(today);
    this.#random = new RandomSource(seed, 'person');
    this.#numbers = new Permutation(seed, 'cnic', 10_000, 10_000_000);
    this.#msisdns = new Permutation(seed, 'msisdn', 4_000, 5_000);
    this.#imsis = new Permutation(seed, 'imsi', 100_000, 100_000);
    this.#documents = new Permutation(seed, 'document', 2_500, 4_000);
  }

  /** The person of an index; throws a RangeError outside 0 … count−1. */
  at(index: number): Person {
    if (!Number.isInteger(index) || index < 0 || index >= this.count)
      throw new RangeError('no such person');
    const random = this.#random.at(index);
    const leads = index === PROTAGONIST_INDEX;
    const gender = leads || random.chance(1, 2) ? 'woman' : 'man';
    const given = random.pick(GIVEN_NAMES[gender]);
    const family = random.pick(FAMILY_NAMES);
    const name = {
      english: `${given.english} ${family.english}`,
      urdu: `${given.urdu} ${family.urdu}`,
    };
    const sims = leads ? SIMS_EACH_MAX : 1 + Math.min(random.below(4), random.below(SIMS_EACH_MAX));
    const adultDays = random.below(leads ? PROTAGONIST_ADULT_DAYS : AGE_SPAN_DAYS);
    const travels = random.chance(1, 3);
    const crossings = leads ? 4 : travels ? 1 + random.below(CROSSINGS_EACH_MAX) : 0;
    return {
      index,
      cnic: this.#cnic(index, gender, random),
      gender,
      name,
      dateOfBirth: formatDay(this.#today - ADULT_DAYS - adultDays),
      address: address(random),
      document: `UTO-X${digits(this.#documents.at(index), 7)}`,
      sims: Array.from({ length: sims }, (_, nth) =>
        this.#sim(index * SIMS_EACH_MAX + nth, { name, adultDays }, random),
      ),
      crossings: this.#crossings(crossings, random),
    };
  }

  /** The people from start up to, not with, end (or the last), as an array. */
  slice(start: number, end: number): Person[] {
    const people: Person[] = [];
    for (let index = start; index < Math.min(end, this.count); index += 1)
      people.push(this.at(index));
    return people;
  }

  *[Symbol.iterator](): Generator<Person, void, undefined> {
    for (let index = 0; index < this.count; index += 1) yield this.at(index);
  }

  /** A well-formed synthetic CNIC that no person of any count has; for look-ups in vain. */
  cnicOfNobody(nth: number): string {
    if (!Number.isInteger(nth) || nth < 0 || nth >= NOBODIES_MAX)
      throw new RangeError('no such nobody');
    const random = this.#random.at(PEOPLE_MAX + nth);
    return this.#cnic(PEOPLE_MAX + nth, random.chance(1, 2) ? 'woman' : 'man', random);
  }

  #cnic(counter: number, gender: Gender, random: Random): string {
    const body = digits(this.#numbers.at(counter), 11);
    const last = random.below(5) * 2 + (gender === 'man' ? 1 : 0);
    return `0${body.slice(0, 4)}-${body.slice(4)}-${last}`;
  }

  #sim(counter: number, owner: SimOwner, random: Random): Sim {
    const number = this.#msisdns.at(counter);
    const prefix = number < 10_000_000 ? '398' : '399';
    const rest = digits(number % 10_000_000, 7);
    const luck = random.below(100);
    return {
      msisdn: `+92${prefix}${rest}`,
      msisdnWritten: writeMsisdn(prefix, rest, random),
      imsi: `00101${digits(this.#imsis.at(counter), 10)}`,
      nameWritten: random.chance(1, 6) ? owner.name.urdu : owner.name.english,
      operator: random.pick(OPERATORS),
      activatedOn: formatDay(
        this.#today - 1 - random.below(1 + Math.min(SIM_DAYS_MAX, owner.adultDays)),
      ),
      biometricStatus: luck < 88 ? 'verified' : luck < 96 ? 'pending' : 'failed',
    };
  }

  /** One crossing in each equal part of the last five years, so that days never fall together. */
  #crossings(count: number, random: Random): Crossing[] {
    const span = Math.floor(CROSSING_DAYS / Math.max(count, 1));
    const first = random.below(2);
    return Array.from({ length: count }, (_, nth) => {
      const day = this.#today - CROSSING_DAYS + nth * span + random.below(span);
      const post = random.pick(POSTS);
      const clock = `${digits(random.below(24), 2)}:${digits(random.below(60), 2)}:${digits(random.below(60), 2)}`;
      return {
        crossedAt: `${formatDay(day)}T${clock}+05:00`,
        direction: (first + nth) % 2 === 0 ? 'exit' : 'entry',
        post: post.name,
        carrier: random.pick<string>(post.carriers),
      };
    });
  }
}

/** The same people for the same seed, count and today (YYYY-MM-DD); a larger count only adds to them. */
export function generatePeople(seed: string, count: number, today: string): People {
  return new People(seed, count, today);
}

function writeMsisdn(prefix: string, rest: string, random: Random): string {
  switch (random.below(6)) {
    case 0:
      return `+92${prefix}${rest}`;
    case 1:
      return `+92 ${prefix} ${rest}`;
    case 2:
      return `92${prefix}${rest}`;
    case 3:
      return `0092${prefix}${rest}`;
    case 4:
      return `0${prefix}${rest}`;
    default:
      return `0${prefix}-${rest}`;
  }
}

function address(random: Random): string {
  const block = random.pick(['A', 'B', 'C', 'D', 'E', 'F']);
  return `House ${1 + random.below(240)}, Street ${1 + random.below(60)}, Block ${block}, ${random.pick(TOWNS)}`;
}

function digits(value: number, length: number): string {
  return String(value).padStart(length, '0');
}
