/** Why one field's value was not taken. */
export type ValueCode =
  | 'missing-value'
  | 'too-long'
  | 'control-character'
  | 'bad-cnic'
  | 'bad-msisdn'
  | 'bad-imsi'
  | 'bad-imei'
  | 'imei-check-digit'
  | 'bad-date'
  | 'no-such-date'
  | 'bad-time'
  | 'no-such-time'
  | 'not-in-enum'
  | 'bad-integer'
  | 'not-text'
  | 'synthetic-identifier'
  | 'real-identifier';

/** Why nothing was made of one cell, before its value was looked at. */
export type CellCode =
  | 'formula-cell'
  | 'error-cell'
  | 'bad-cell'
  | 'bad-cell-date'
  | 'inexact-number'
  | 'number-for-identifier'
  | 'nested-value'
  | 'too-long';

/** Why a row of a table was not taken, whatever its values. */
export type LineCode =
  | 'bad-encoding'
  | 'nul-character'
  | 'ragged-row'
  | 'bad-quote'
  | 'unclosed-quote'
  | 'row-too-long'
  | 'bad-json'
  | 'undeclared-member'
  | 'duplicate-member';

/** Why one file of a set was not taken as an image. */
export type ImageCode =
  | 'bad-file-name'
  | 'image-too-large'
  | 'not-a-jpeg'
  | 'jpeg-truncated'
  | 'jpeg-malformed'
  | 'jpeg-unsupported'
  | 'jpeg-dimensions'
  | 'jpeg-trailing-bytes';

/** Every code that a rejected row can carry: the closed union that reject files use. */
export type RejectCode = ValueCode | CellCode | LineCode | ImageCode;

/** What each code asks of whoever mends the file. */
export const rejectAdvice: Readonly<Record<RejectCode, string>> = {
  'missing-value': 'the declaration requires a value here',
  'too-long': 'the value is longer than the declaration allows',
  'control-character': 'the value holds a control character',
  'bad-cnic': 'a national identity number has 13 digits',
  'bad-msisdn': 'a mobile number is written 03XX-XXXXXXX or +92 3XX XXXXXXX',
  'bad-imsi': 'an IMSI has 15 digits',
  'bad-imei': 'an IMEI has 15 digits',
  'imei-check-digit': "the IMEI's last digit does not check",
  'bad-date': 'a date is written YYYY-MM-DD, DD-MM-YYYY or DD/MM/YYYY',
  'no-such-date': 'this date does not exist, or is not between 1850 and 2199',
  'bad-time': 'a time is written YYYY-MM-DD HH:MM, with seconds and offset if known',
  'no-such-time': 'this time of day or offset does not exist',
  'not-in-enum': 'the value is none of those declared',
  'bad-integer': 'a whole number has at most 15 digits and no separators',
  'not-text': 'this field holds a file and cannot come from a table',
  'synthetic-identifier': 'an identifier of the synthetic range in a store for real records',
  'real-identifier':
    'an identifier outside the synthetic ranges (0dddd-ddddddd-d, +92 398…, +92 399…) in a demonstration store',
  'bad-encoding': 'the row is not valid in the encoding of the file',
  'nul-character': 'the row holds a NUL character',
  'ragged-row': 'the row has more or fewer fields than the heading',
  'bad-quote': 'text follows a closing quote',
  'unclosed-quote': 'a quote is opened in this line and not closed where a field could end',
  'row-too-long': 'the row is longer than the bound',
  'bad-json': 'the line is not one whole JSON object',
  'undeclared-member': 'the object has a member that is not declared and not mapped',
  'duplicate-member': 'the object has two members for one field',
  'nested-value': 'the value is an object or an array',
  'formula-cell': 'the cell holds a formula, whose value is not trusted: paste its value instead',
  'error-cell': 'the cell holds an error of its workbook',
  'bad-cell': 'the cell says of itself what cannot be',
  'bad-cell-date':
    'the cell holds a time without a date, or a date before March 1900 that workbooks do not agree on',
  'inexact-number': 'the cell holds a number of more than 15 digits, which workbooks do not keep',
  'number-for-identifier':
    'an identifier is kept as a number and has lost its zeros or its last digits: keep it as text',
  'bad-file-name': 'a card file is named 00000-0000000-0.front.jpg or .back.jpg',
  'image-too-large': 'the image is larger than the bound',
  'not-a-jpeg': 'the file is not a JPEG',
  'jpeg-truncated': 'the JPEG ends before its end marker',
  'jpeg-malformed': "the JPEG's segments do not hold together",
  'jpeg-unsupported': 'only baseline and progressive JPEG with 8 bits a sample are taken',
  'jpeg-dimensions': "the image's width or height is zero or beyond the bound",
  'jpeg-trailing-bytes': 'bytes follow the end of the JPEG',
};

/** A row that was not taken. It never holds a value of the row. */
export interface Rejection {
  /** Where the row begins: its line in a text file or number in a sheet (1-based, heading included), or its file's place in a set. */
  readonly line: number;
  /** How many physical lines the rejection covers: 1, except for a quoted row over several lines. */
  readonly lines: number;
  /** The data row's number, 1-based, counting taken and rejected rows alike. */
  readonly row: number;
  /** The declared field at fault, or null where it is the row as a whole. */
  readonly column: string | null;
  readonly code: RejectCode;
}

/** A field's text: as it was recorded, and in the one form in which it is matched. */
export interface TextValue {
  readonly recorded: string;
  readonly normalised: string;
}
/** A field's content where it is a file. */
export interface BytesValue {
  readonly bytes: Uint8Array;
}
/** What a row holds for one field; null where it holds nothing. */
export type RowValue = TextValue | BytesValue | null;

/** A row that was taken: one value for each declared field, in declared order. */
export interface Row {
  readonly line: number;
  readonly row: number;
  readonly values: readonly RowValue[];
}

/**
 * Running counts; `rows` is always `accepted` + `rejected`. Lines are counted as they are split, up
 * to a block ahead of the rows, so they match the rows only in the last batch.
 */
export interface Totals {
  /** Physical lines (of a text file), rows (of a sheet) or files (of a set) read so far. */
  readonly lines: number;
  readonly blankLines: number;
  readonly rows: number;
  readonly accepted: number;
  readonly rejected: number;
}

/** Some rows and rejections in the order of the input, and the totals up to here. */
export interface RowBatch {
  readonly rows: readonly Row[];
  readonly rejections: readonly Rejection[];
  readonly totals: Totals;
}
