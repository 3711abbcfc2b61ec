/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jobs.h"

#include "base/mem.h"
#include "base/thread.h"

struct job {
	struct job *next;
	void (*run)(void *context);
	void *context;
};

struct jobs {
	struct thread thread;
	int wake_fd;

	pthread_mutex_t lock; /* for the fields below; never held while a job runs */
	pthread_cond_t changed;
	struct job *first, **end;
	size_t left;
	bool is_stopping;
};

/* Wait for the next job; NULL: there will be none. */
static struct job *wait_for_job(struct jobs *jobs)
{
	struct job *job;

	(void)pthread_mutex_lock(&jobs->lock);
	while (!jobs->first && !jobs->is_stopping)
		(void)pthread_cond_wait(&jobs->changed, &jobs->lock);
	job = jobs->first;
	if (job && !(jobs->first = job->next))
		jobs->end = &jobs->first;
	(void)pthread_mutex_unlock(&jobs->lock);
	return job;
}

static void note_done(struct jobs *jobs)
{
	bool are_all_done;

	(void)pthread_mutex_lock(&jobs->lock);
	are_all_done = --jobs->left == 0;
	(void)pthread_mutex_unlock(&jobs->lock);
	if (are_all_done)
		wakeup_send(jobs->wake_fd);
}

static void run_jobs(void *context)
{
	struct jobs *jobs = context;
	struct job *job;

	while ((job = wait_for_job(jobs))) {
		job->run(job->context);
		free(job);
		note_done(jobs);
	}
}

int jobs_start(const char *name, int wake_fd, struct jobs **ret_jobs, struct error *err)
{
	struct jobs *jobs = mem_calloc(1, sizeof *jobs);

	jobs->wake_fd = wake_fd;
	jobs->end = &jobs->first;
	(void)pthread_mutex_init(&jobs->lock, NULL);
	(void)pthread_cond_init(&jobs->changed, NULL);
	if (thread_start(&jobs->thread, name, run_jobs, jobs, err) < 0) {
		jobs_stop(jobs);
		return -1;
	}
	*ret_jobs = jobs;
	return 0;
}

struct jobs *jobs_stop(struct jobs *jobs)
{
	if (!jobs)
		return NULL;
	(void)pthread_mutex_lock(&jobs->lock);
	jobs->is_stopping = true;
	(void)pthread_cond_signal(&jobs->changed);
	(void)pthread_mutex_unlock(&jobs->lock);
	thread_join(&jobs->thread);
	(void)pthread_cond_destroy(&jobs->changed);
	(void)pthread_mutex_destroy(&jobs->lock);
	free(jobs);
	return NULL;
}

void jobs_add(struct jobs *jobs, void (*run_job)(void *context), void *context)
{
	struct job *job = mem_alloc(sizeof *job);

	*job = (struct job){ .run = run_job, .context = context };
	(void)pthread_mutex_lock(&jobs->lock);
	*jobs->end = job;
	jobs->end = &job->next;
	jobs->left++;
	(void)pthread_cond_signal(&jobs->changed);
	(void)pthread_mutex_unlock(&jobs->lock);
}

size_t jobs_left(struct jobs *jobs)
{
	size_t left;

	(void)pthread_mutex_lock(&jobs->lock);
	left = jobs->left;
	(void)pthread_mutex_unlock(&jobs->lock);
	return left;
}
