"""A scanner's screen in a browser, on the runtime's public streaming API. Research use only; not a medical device."""
