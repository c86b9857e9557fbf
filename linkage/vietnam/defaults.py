"""Default blocking rules and comparisons for Vietnamese person records, as a project file writes them."""

#: TOML text; a project file with its own ``[[blocking]]`` or ``[[comparison]]`` replaces that list whole.
DEFAULTS = """
[[blocking]]
name = "number"
on = ["personal_number.any"]

[[blocking]]
name = "old_number"
on = ["old_number"]

[[blocking]]
name = "given_birth"
on = ["full_name.given.ascii", "birth_date"]
refine = ["sex", "full_name.surname.ascii", "commune.province", "full_name.middle.ascii"]

[[blocking]]
name = "name_day"
on = ["full_name.set", "birth_date.day_month"]
refine = ["sex", "commune.province"]

[[blocking]]
name = "birth_commune"
on = ["birth_date", "sex", "commune.any"]
refine = ["full_name.given.ascii"]

[[blocking]]
name = "phone_given"
on = ["phone", "full_name.given.ascii"]
refine = ["birth_date.year"]

[[blocking]]
name = "name_year"
on = ["full_name.set", "birth_date.year"]
refine = ["sex", "commune.province", "birth_date.month"]

[[blocking]]
name = "names_year"
on = ["full_name.surname.phonetic", "full_name.given.phonetic", "birth_date.year", "sex", "commune.province"]
refine = ["birth_date.month", "full_name.middle.ascii"]

[[blocking]]
name = "father_year"
on = ["father_name.ascii", "birth_date.year"]
refine = ["full_name.given.ascii", "commune.province"]

[[blocking]]
name = "mother_year"
on = ["mother_name.ascii", "birth_date.year"]
refine = ["full_name.given.ascii", "commune.province"]

[[blocking]]
name = "family_phone"
on = ["phone"]
use = "relatives"

[[blocking]]
name = "family_parents"
on = ["father_name", "mother_name"]
use = "relatives"

[[blocking]]
name = "near_number"
on = ["personal_number.near"]

[[comparison]]
name = "identity"
columns = ["personal_number", "old_number", "sex", "birth_date"]

[[comparison.parts]]
name = "number"
columns = ["personal_number", "old_number"]
levels = [
  { name = "null", when = "personal_number.null and old_number.null" },
  { name = "same", when = "personal_number.exact", group = "same", term_frequency = "repeats" },
  { name = "alias", when = "personal_number.alias", group = "same", term_frequency = "repeats" },
  { name = "old", when = "old_number.exact", group = "old" },
  { name = "near", when = "personal_number.one_digit or personal_number.adjacent_swap or \
personal_number.one_edit or personal_number.lost_zero", group = "near" },
  { name = "different_held", when = "not personal_number.null and personal_number.held" },
  { name = "different", when = "not personal_number.null" },
  { name = "old_different", when = "always" },
]

[[comparison.parts]]
name = "sex"
columns = ["sex"]
levels = [
  { name = "null", when = "null" },
  { name = "same", when = "exact" },
  { name = "different", when = "always" },
]

[[comparison.parts]]
name = "birth_year"
columns = ["birth_date"]
levels = [
  { name = "null", when = "null" },
  { name = "same", when = "year_equal" },
  { name = "near", when = "year_near or year_digit" },
  { name = "different", when = "always" },
]

[[comparison]]
name = "birth_day"
columns = ["birth_date"]
levels = [
  { name = "null", when = "null or partial" },
  { name = "heaped", when = "day_month_equal and heaped" },
  { name = "same", when = "day_month_equal" },
  { name = "swapped", when = "swapped" },
  { name = "digit", when = "day_month_digit" },
  { name = "half", when = "month_equal or day_equal" },
  { name = "different", when = "always" },
]

[[comparison]]
name = "full_name"
columns = ["full_name"]
levels = [
  { name = "null", when = "null", link = false },
  { name = "exact", when = "exact", term_frequency = "exact" },
  { name = "bare", when = "bare", term_frequency = "ascii" },
  { name = "spelling", when = "(unaccented or phonetic) and not known", term_frequency = "ascii" },
  { name = "like_spelling", when = "unaccented or phonetic", term_frequency = "ascii" },
  { name = "reordered", when = "reordered", term_frequency = "ascii" },
  { name = "shortened", when = "omitted or initials", term_frequency = "ends" },
  { name = "one_slip", when = "osa <= 1 and not known", term_frequency = "ascii" },
  { name = "like_name", when = "osa <= 1", term_frequency = "ascii" },
  { name = "ends", when = "given_phonetic and surname_phonetic", term_frequency = "ends" },
  { name = "two_slips", when = "osa <= 2" },
  { name = "other_surname", when = "all_but_surname" },
  { name = "other_given", when = "all_but_given", link = false },
  { name = "given", when = "given_phonetic" },
  { name = "surname", when = "surname_phonetic", link = false },
  { name = "different", when = "always", link = false },
]

[[comparison]]
name = "commune"
columns = ["commune"]
levels = [
  { name = "null", when = "null" },
  { name = "same", when = "overlap" },
  { name = "province", when = "same_province" },
  { name = "different", when = "always" },
]

[[comparison]]
name = "phone"
columns = ["phone"]
levels = [
  { name = "null", when = "null" },
  { name = "same", when = "exact" },
  { name = "near", when = "one_digit or adjacent_swap" },
  { name = "different", when = "always" },
]

[[comparison]]
name = "father"
columns = ["father_name"]
levels = [
  { name = "null", when = "null" },
  { name = "same", when = "unaccented" },
  { name = "near", when = "phonetic or omitted or initials or reordered or osa <= 1" },
  { name = "different", when = "always" },
]

[[comparison]]
name = "mother"
columns = ["mother_name"]
levels = [
  { name = "null", when = "null" },
  { name = "same", when = "unaccented" },
  { name = "near", when = "phonetic or omitted or initials or reordered or osa <= 1" },
  { name = "different", when = "always" },
]

[settle]
levels = [
  "number.same", "number.alias", "number.old", "sex.same", "birth_year.same", "birth_day.same",
  "birth_day.heaped", "full_name.exact", "full_name.bare",
]

[training]
rules = ["given_birth", "names_year", "birth_commune", "phone_given"]
"""
