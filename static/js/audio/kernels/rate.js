/** The rate of the sound that is sent, in samples a second. Pure: pages need it before they load the kernels. */

export const RATE = 16_000;
