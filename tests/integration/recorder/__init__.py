"""The recorder: plays the same random statements against a plain server and through Consort, and
compares every reply byte for byte.

  statements.py   what is said: random sequences by seed
  brands.py       to MySQL servers in its own words
  player.py       says it to one side, returns the packets of each reply
  comparison.py   what may differ and why, and how a difference is shown
  recording.py    both sides in step, the shrinking of a sequence that differs
"""
