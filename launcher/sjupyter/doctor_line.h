/* SPDX-License-Identifier: MIT */
/*
 * What the doctor on the compute node sends to the one on the login host, besides its findings:
 * lines of JSON on stdout, carried by srun.  As the user.
 */
#ifndef SJUPYTER_DOCTOR_LINE_H
#define SJUPYTER_DOCTOR_LINE_H

#include <netinet/in.h>

#include "launcher/sjupyter/slurm_env.h"

/*
 * Set for the doctor's job: Slurm's variable for --jupyter-warn, which has no effect by itself.
 * Slurm hands it to the task as it is; the plugin, where slurmstepd has loaded it, takes it
 * out.
 */
#define DOCTOR_PLUGIN_VARIABLE SLURM_ENV_JOB_OPTION "jupyter_warn"

enum doctor_line_kind { DOCTOR_LINE_CREDENTIAL, DOCTOR_LINE_PORT };

enum { DOCTOR_CREDENTIAL_MAX = 4096, DOCTOR_LINE_MAX = 8192 };

struct doctor_line {
	enum doctor_line_kind kind;
	char credential[DOCTOR_CREDENTIAL_MAX];
	char ip[INET6_ADDRSTRLEN];
	unsigned port;
};

void doctor_line_send_credential(const char *credential);
void doctor_line_send_port(const char *ip, unsigned port);

/* Strict: 0, or -1 with EPROTO. */
int doctor_line_parse(const char *text, struct doctor_line *line);

#endif
