/**
 * What the commands that look share: their options, asking for one view, and words for numbers.
 */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { SettingKey } from '../../domain/config/settings.js';
import type { View } from '../../wire/generated/messages.js';
import { CONNECTS, type ContextOptions } from '../context.js';
import { asOperator, type What } from '../operator.js';
import { withSettings } from '../settings.js';

/** Options of all commands that show a view. */
export function viewOptions(command: Command, ...keys: readonly SettingKey[]): Command {
  return withSettings(command, ...CONNECTS, 'users.operator', ...keys).option(
    '--json',
    'print one JSON line',
  );
}

/** Ask for one view. Throws what control answers, `unavailable`, `permission_denied`, and what a connection throws. */
export function askView<T>(options: ContextOptions, what: What, view: View): Promise<T> {
  return asOperator(options, [], (operator) => operator.view<T>(what, view));
}

/** Parser of an option that is a whole number. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
] as const;

/** A duration for people. */
export function duration(ms: number | undefined): string {
  if (ms === undefined) {
    return '';
  }
  const [size, unit] = UNITS.find(([one]) => ms >= one) ?? [1, 'ms'];
  const value = ms / size;
  return `${unit === 'ms' || value >= 100 ? Math.round(value) : Number(value.toPrecision(3))} ${unit}`;
}
