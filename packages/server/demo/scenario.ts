import { readFileSync } from 'node:fs';
import type { ShippedHolding } from '../holdings/holdings.ts';
import type { Access, LookUpKind } from './generate/disclosure-plan.ts';

const DPV = 'https://w3id.org/dpv';

/** The agencies of the demonstration, in the order of the plan's indexes, and on what ground each asks. */
export const AGENCIES = [
  {
    id: 'demo-police',
    purpose: `${DPV}/sector/law#CrimeInvestigation`,
    legalBasis: `${DPV}#LegalObligation`,
    authority: 'Code of Criminal Procedure, section 94 (demonstration)',
  },
  {
    id: 'demo-investigation',
    purpose: `${DPV}/sector/law#CrimeInvestigation`,
    legalBasis: `${DPV}#OfficialAuthorityOfController`,
    authority: 'Investigation Agency Act, section 5 (demonstration)',
  },
  {
    id: 'demo-health',
    purpose: `${DPV}#IdentityVerification`,
    legalBasis: `${DPV}#OfficialAuthorityOfController`,
    authority: 'Health Service Ordinance, section 12 (demonstration)',
  },
] as const;

export const POLICE = 0;
export const INVESTIGATION = 1;

/** What the table in grants.yaml permits, for the plan to stay inside it. */
export const ACCESS: readonly Access[] = [
  { agencyIndex: 0, holding: 'sim-registrations', groups: ['identity', 'number', 'status'] },
  { agencyIndex: 0, holding: 'identity-card-images', groups: ['identity', 'image'] },
  {
    agencyIndex: 1,
    holding: 'sim-registrations',
    groups: ['identity', 'address', 'number', 'status'],
  },
  { agencyIndex: 1, holding: 'travel-history', groups: ['identity', 'crossing', 'journey'] },
  { agencyIndex: 2, holding: 'sim-registrations', groups: ['identity', 'number'] },
  { agencyIndex: 2, holding: 'identity-card-images', groups: ['identity'] },
];

/** A purpose that no shipped holding declares. */
const UNDECLARED_PURPOSE = `${DPV}#Marketing`;

/** The purpose that a look-up of a kind states. */
export function purposeOf(agencyIndex: number, kind: LookUpKind): string {
  return kind === 'wrong-purpose' ? UNDECLARED_PURPOSE : agencyAt(agencyIndex).purpose;
}

/** The agency of an index of the plan. */
export function agencyAt(index: number): (typeof AGENCIES)[number] {
  const found = AGENCIES[index];
  if (found === undefined) throw new RangeError('no such agency');
  return found;
}

/** What each holding's files are, as an importer has them: their own headings, mapped to the declaration's fields. */
export const MAPPINGS: Readonly<Record<ShippedHolding, Readonly<Record<string, string>> | null>> = {
  'sim-registrations': {
    CNIC: 'cnic',
    Name: 'name',
    Address: 'address',
    MSISDN: 'msisdn',
    IMSI: 'imsi',
    Operator: 'operator',
    'Activation Date': 'activation_date',
    'Biometric Status': 'biometric_status',
  },
  'travel-history': {
    CNIC: 'cnic',
    Name: 'name',
    'Crossed At': 'crossed_at',
    Direction: 'direction',
    Post: 'post',
    Carrier: 'carrier',
    Document: 'document',
  },
  'identity-card-images': null,
};

/** The bytes of a file that the demonstration ships, to be read like anybody's. */
export function readDemoFile(name: string): Uint8Array {
  return readFileSync(new URL(`./${name}`, import.meta.url));
}
