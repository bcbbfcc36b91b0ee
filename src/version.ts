/** @module The version of this package, which what it keeps is kept under. */

/** As package.json says; a test compares them. */
export const VERSION = '0.1.0';
