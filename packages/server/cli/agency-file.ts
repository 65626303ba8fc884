import type { Agency } from '@amanat/core/grants';
import type { PlainValue } from '../holdings/holdings.ts';
import { integerOf, membersOf, textOf } from './yaml-file.ts';

/** An agency as its file has it, before it has a version. */
export type AgencyFile = Omit<Agency, 'type' | 'version' | 'time'>;

/** Reads an agency from plain YAML data. @throws CliError 'failed' naming the place */
export function parseAgency(value: PlainValue): AgencyFile {
  const agency = membersOf(value, 'agency', ['agency', 'name', 'contact', 'subjects a day']);
  const name = membersOf(agency.name, 'name', ['en', 'ur']);
  const contact = membersOf(agency.contact, 'contact', ['email', 'phone', 'address']);
  const optional = (member: string) =>
    contact[member] === undefined ? null : textOf(contact[member], `contact, ${member}`);
  return {
    agency: textOf(agency.agency, 'agency'),
    name: { en: textOf(name.en, 'name, en'), ur: textOf(name.ur, 'name, ur') },
    contact: {
      email: textOf(contact.email, 'contact, email'),
      phone: optional('phone'),
      address: optional('address'),
    },
    subjectsPerDay: integerOf(agency['subjects a day'], 'subjects a day'),
  };
}
