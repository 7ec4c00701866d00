/* SPDX-License-Identifier: MIT */
/*
 * Lets go of what only the start of a long-lived process needed.  In jupyter-agent, as the
 * user.
 */
#ifndef AGENT_MEMORY_H
#define AGENT_MEMORY_H

/*
 * Gives free heap back and unmaps the pages of program text from this process; what runs on is
 * read again from the page cache when it is needed.  A library's text is 5 MB of an agent's
 * resident memory, of which an idle agent uses a tenth.
 */
void memory_settle(void);

#endif
