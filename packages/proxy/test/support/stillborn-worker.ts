/** A worker that does not come up. */
throw new Error('no luck at all')
