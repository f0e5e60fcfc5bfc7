/**
 * Random numbers that a seed repeats: the ones of the bench.
 */
export { seeded } from '../../bench/random.js';
