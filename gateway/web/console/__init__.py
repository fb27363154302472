"""The console at `/`: an operator's view of carriers, calls, promises and events, in a browser.

pages    the files and the headers that they go with
session  log in, look who is logged in, log out
origin   whether a request comes from the console itself
tries    how often a wrong key may be given

It decides nothing and knows nothing that REST does not tell: the pages call /v1 with a cookie in place of the key.
"""
