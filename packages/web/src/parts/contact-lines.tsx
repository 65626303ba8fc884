import type { Contact } from '../api.ts';

/** How to reach an organisation. */
export function ContactLines({
  name,
  contact,
}: {
  readonly name: string;
  readonly contact: Contact | null;
}) {
  return (
    <>
      {name}
      {contact !== null && (
        <span className="contact">
          <a dir="ltr" href={`mailto:${contact.email}`}>
            {contact.email}
          </a>
          {contact.phone !== null && contact.phone !== undefined && (
            <a dir="ltr" href={`tel:${contact.phone.replaceAll(/[^+\d]/g, '')}`}>
              {contact.phone}
            </a>
          )}
        </span>
      )}
    </>
  );
}
