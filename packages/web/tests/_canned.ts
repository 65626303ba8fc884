import type { Planned, Simulation } from '../../core/verify/_simulation.ts';
import type { Agency, Field, Held, Holding, Holdings, Seals } from '../src/api.ts';

const DPV = 'https://w3id.org/dpv#';
const LAW = 'https://w3id.org/dpv/sector/law#';
const PD = 'https://w3id.org/dpv/pd#';

export const agencies: readonly Agency[] = [
  agency('demo-police', 'Demo Provincial Police', 'ڈیمو صوبائی پولیس'),
  agency('demo-investigation', 'Demo Investigation Bureau', 'ڈیمو تفتیشی بیورو'),
  agency('demo-health', 'Demo Health Programme', 'ڈیمو صحت پروگرام'),
];

export const holdings: readonly Holding[] = [
  holding(
    'sim-registrations',
    ['SIM registrations', 'سم کارڈوں کا اندراج'],
    ['demo-telecom', 'Demo Telecom', 'ڈیمو ٹیلی کام'],
    [
      field(
        'cnic',
        'National identity number',
        'قومی شناختی کارڈ نمبر',
        `${PD}OfficialID`,
        'identity',
      ),
      field('name', 'Name', 'نام', `${PD}Name`, 'identity'),
      field('address', 'Address', 'پتہ', `${PD}PhysicalAddress`, 'address'),
      field('msisdn', 'Mobile number', 'موبائل نمبر', `${PD}TelephoneNumber`, 'number'),
      field('operator', 'Operator', 'موبائل کمپنی', 'amanat:Subscription', 'status'),
    ],
  ),
  holding(
    'travel-history',
    ['Travel history', 'سفر کا ریکارڈ'],
    ['demo-border', 'Demo Border Service', 'ڈیمو بارڈر سروس'],
    [
      field(
        'cnic',
        'National identity number',
        'قومی شناختی کارڈ نمبر',
        `${PD}OfficialID`,
        'identity',
      ),
      field(
        'crossed_at',
        'Date and time of crossing',
        'سرحد پار کرنے کی تاریخ اور وقت',
        `${PD}TravelHistory`,
        'crossing',
      ),
      field('post', 'Border post', 'سرحدی چوکی', `${PD}TravelHistory`, 'crossing'),
    ],
    'crossed_at',
  ),
];

/** The travel history again, as it will be declared. */
export const seals: Seals = {
  rules: {
    jurisdiction: 'Example land',
    grounds: [
      {
        ground: `${LAW}CrimeInvestigation`,
        title: { en: 'Investigation of a crime', ur: 'جرم کی تفتیش' },
        daysMax: 90,
        source: 'Example act, section 5',
      },
    ],
    agencies: [{ agency: 'demo-police', openMax: 100 }],
  },
  counts: [
    {
      agency: 'demo-police',
      month: '2026-10',
      sealed: 4,
      extended: 1,
      opened: 2,
      refused: 3,
      awaited: 1,
    },
  ],
};

export const upcoming: Holdings['upcoming'] = holdings
  .slice(1)
  .map((declaration) => ({ declaration, from: Date.UTC(2099, 0, 1, 7) }));

export const held: Readonly<Record<string, readonly Held[]>> = {
  'demo-telecom': [
    {
      holding: 'sim-registrations',
      records: 2,
      firstImport: Date.UTC(2026, 1, 3, 7),
      until: '2029-02',
    },
  ],
  'demo-border': [
    {
      holding: 'travel-history',
      records: 5,
      firstImport: Date.UTC(2025, 8, 12, 7),
      until: '2031-09',
    },
  ],
};

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A year of look-ups of every kind, with other people's entries between them. */
export function fillHistory(simulation: Simulation, now: number): void {
  simulation.addPublic(
    { type: 'genesis', mode: 'demo', origin: 'log.amanat.example' },
    { type: 'declaration', holding: 'sim-registrations', version: 1 },
  );
  simulation.addNoise(600, now - 400 * DAY);
  simulation.expire('travel-history', '2025-09', Date.UTC(2025, 9, 2, 7));
  simulation.expire('travel-history', '2025-10', Date.UTC(2025, 10, 2, 7));
  const plan: readonly (readonly [string, number, Partial<Planned> & Pick<Planned, 'kind'>])[] = [
    ['demo-telecom', 331, read('demo-police', 'sim-registrations', ['identity', 'number'], 2)],
    ['demo-border', 248, read('demo-investigation', 'travel-history', ['crossing'], 3)],
    ['demo-telecom', 205, read('demo-health', 'sim-registrations', ['number'], 1)],
    [
      'demo-telecom',
      150,
      {
        ...asked('demo-health', 'sim-registrations', ['address']),
        kind: 'refusal',
        refusal: 'no-grant',
      },
    ],
    [
      'demo-telecom',
      92,
      read('demo-police', 'sim-registrations', ['identity', 'number', 'address'], 2),
    ],
    ['demo-border', 91, read('demo-police', 'travel-history', ['identity', 'crossing'], 5)],
    ['demo-telecom', 60, { kind: 'code' }],
    ['demo-border', 60, { kind: 'code' }],
    [
      'demo-telecom',
      33,
      { ...asked('demo-investigation', 'sim-registrations', ['status']), kind: 'miss' },
    ],
    [
      'demo-border',
      12,
      { ...asked('demo-investigation', 'travel-history', ['crossing']), kind: 'second-person' },
    ],
    [
      'demo-telecom',
      5,
      {
        ...read('demo-police', 'sim-registrations', ['number'], 2),
        kind: 'undelivered',
        records: [],
      },
    ],
    [
      'demo-border',
      2,
      {
        ...read('demo-investigation', 'travel-history', ['identity', 'crossing'], 5),
        approved: 'approved',
      },
    ],
  ];
  for (const [controller, days, planned] of plan) {
    simulation.addEntry(controller, { ...planned, time: now - days * DAY - 3 * HOUR });
    simulation.addNoise(7, now - days * DAY);
  }
}

function asked(id: string, holdingId: string, groups: readonly string[]) {
  return {
    agency: id,
    officer: '3f9a61c07d2e4b85a1c0ffee00112233',
    purpose: id === 'demo-health' ? `${DPV}IdentityVerification` : `${LAW}CrimeInvestigation`,
    legalBasis:
      id === 'demo-health' ? `${DPV}LegalObligation` : `${DPV}OfficialAuthorityOfController`,
    reads: [{ holding: holdingId, groups }],
    evidence: 'ab'.repeat(32),
  };
}

function read(id: string, holdingId: string, groups: readonly string[], records: number) {
  return {
    ...asked(id, holdingId, groups),
    kind: 'disclosure' as const,
    records: Array.from({ length: records }, (_, i) => ({
      holding: holdingId,
      record: String(i).padStart(32, '0'),
      import: 4,
      row: i + 1,
      expiryMonth: '2029-02',
      groups: groups.map((group) => ({ group, nonce: '0'.repeat(32), sha256: '0'.repeat(64) })),
    })),
  };
}

function agency(id: string, en: string, ur: string): Agency {
  const contact = { email: `data@${id}.example`, phone: '+92 398 0000009', address: null };
  return { agency: id, name: { en, ur }, contact };
}

function field(name: string, en: string, ur: string, category: string, group: string): Field {
  return { name, title: { en, ur }, category, group };
}

function holding(
  id: string,
  [en, ur]: readonly [string, string],
  [controller, nameEn, nameUr]: readonly [string, string, string],
  fields: readonly Field[],
  eventDate: string | null = null,
): Holding {
  return {
    holding: id,
    title: { en, ur },
    controller: {
      id: controller,
      name: { en: nameEn, ur: nameUr },
      contact: { email: `privacy@${controller}.example`, phone: '+92 398 0000001', address: null },
    },
    purposes: [
      `${DPV}IdentityVerification`,
      `${DPV}FraudPreventionAndDetection`,
      `${LAW}CrimeInvestigation`,
    ],
    legalBases: [`${DPV}LegalObligation`, `${DPV}OfficialAuthorityOfController`],
    recipients: agencies.map((each) => each.agency),
    eventDate,
    retentionMonths: eventDate === null ? 36 : 60,
    reviewDate: '2027-11-01',
    fields,
  };
}
