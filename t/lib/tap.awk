# SPDX-License-Identifier: MIT
#
# Counts one program's Test Anything Protocol.  Run by t/lib/tap.sh with -v
# status=EXIT_STATUS.  Prints the failures with their diagnostics and the skips
# with their reasons, and as its last line "PASSED FAILED SKIPPED".  What was
# planned and did not run has failed, and so has a program that says nothing.

function fail(count, text) {
	failed += count
	print "not ok - " text
}

BEGIN {
	plan = -1
	# Lines shown for one failure: the whole output is in a file.
	DIAGNOSTICS_MAX = 30
}

/^1\.\.[0-9]+/ {
	plan = substr($1, 4) + 0
	if (plan == 0) {
		skipped++
		sub(/^1\.\.0[ \t]*(#[ \t]*)?/, "")
		print "skip - " ($0 == "" ? "no reason given" : $0)
	}
	shown = 0
	next
}

/^ok( |$)/ {
	points++
	shown = 0
	if (match(tolower($0), /# *skip/)) {
		skipped++
		print "skip - " substr($0, 4)
	} else
		passed++
	next
}

/^not ok( |$)/ {
	points++
	failed++
	shown = 1
	print
	next
}

/^Bail out!/ {
	fail(1, $0)
	shown = 1
	next
}

/^#/ {
	if (shown > 0 && shown++ <= DIAGNOSTICS_MAX)
		print
	next
}

# What a program says beside its TAP, a sanitizer's report for one, is kept for
# the case that it ends badly.
{
	said[++lines] = $0
}

END {
	if (plan < 0)
		fail(1, "ended without a plan")
	else if (points < plan)
		fail(plan - points, points + 0 " of " plan " planned tests ran")
	else if (points > plan)
		fail(1, points " tests ran, " plan " were planned")
	if (status == 124 || status == 137)
		print "# stopped: it took too long (exit status " status ")"
	if (status != 0 && failed == 0)
		fail(1, "exit status " status)
	if (failed > 0)
		for (i = (lines > 30 ? lines - 29 : 1); i <= lines; i++)
			print "# " said[i]
	print passed + 0, failed + 0, skipped + 0
}
